#include "textflag.h"

// Weights of the 64 bytes of a block: 64 … 1.
DATA weights<>+0x00(SB)/8, $0x393a3b3c3d3e3f40
DATA weights<>+0x08(SB)/8, $0x3132333435363738
DATA weights<>+0x10(SB)/8, $0x292a2b2c2d2e2f30
DATA weights<>+0x18(SB)/8, $0x2122232425262728
DATA weights<>+0x20(SB)/8, $0x191a1b1c1d1e1f20
DATA weights<>+0x28(SB)/8, $0x1112131415161718
DATA weights<>+0x30(SB)/8, $0x090a0b0c0d0e0f10
DATA weights<>+0x38(SB)/8, $0x0102030405060708
GLOBL weights<>(SB), RODATA|NOPTR, $64

// Sixteen 16-bit ones.
DATA ones<>+0x00(SB)/8, $0x0001000100010001
DATA ones<>+0x08(SB)/8, $0x0001000100010001
DATA ones<>+0x10(SB)/8, $0x0001000100010001
DATA ones<>+0x18(SB)/8, $0x0001000100010001
GLOBL ones<>(SB), RODATA|NOPTR, $32

// One block of 64 bytes at off(SI).
//   Y0, four 64-bit sums of bytes; Y1, the sums of Y0 before each block;
//   Y2, Y3, eight 32-bit sums of weighted bytes each.
// VPMADDUBSW makes 16-bit sums of two weighted bytes: at most 255·(64+63) = 32385, no saturation.
#define BLOCK(off) \
	VMOVDQU    off(SI), Y4      \
	VMOVDQU    (off+32)(SI), Y5 \
	VPADDQ     Y0, Y1, Y1       \
	VPSADBW    Y12, Y4, Y6      \
	VPSADBW    Y12, Y5, Y7      \
	VPMADDUBSW Y13, Y4, Y8      \
	VPMADDUBSW Y14, Y5, Y9      \
	VPADDQ     Y6, Y0, Y0       \
	VPADDQ     Y7, Y0, Y0       \
	VPMADDWD   Y15, Y8, Y8      \
	VPMADDWD   Y15, Y9, Y9      \
	VPADDD     Y8, Y2, Y2       \
	VPADDD     Y9, Y3, Y3

// func sumsAVX2(p *byte, blocks int) (total, weighted uint64)
TEXT ·sumsAVX2(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), SI
	MOVQ blocks+8(FP), CX

	VPXOR   Y0, Y0, Y0
	VPXOR   Y1, Y1, Y1
	VPXOR   Y2, Y2, Y2
	VPXOR   Y3, Y3, Y3
	VPXOR   Y12, Y12, Y12
	VMOVDQU weights<>+0(SB), Y13
	VMOVDQU weights<>+32(SB), Y14
	VMOVDQU ones<>(SB), Y15

	SUBQ $4, CX
	JLT  rest

four:
	BLOCK(0)
	BLOCK(64)
	BLOCK(128)
	BLOCK(192)
	ADDQ $256, SI
	SUBQ $4, CX
	JGE  four

rest:
	ADDQ $4, CX
	JEQ  done

one:
	BLOCK(0)
	ADDQ $64, SI
	DECQ CX
	JNE  one

done:
	// Widen the 32-bit sums to 64 bits, the even and the odd ones of Y2 and Y3.
	VPSRLQ  $32, Y2, Y4
	VPSRLQ  $32, Y3, Y5
	VPSLLQ  $32, Y2, Y2
	VPSLLQ  $32, Y3, Y3
	VPSRLQ  $32, Y2, Y2
	VPSRLQ  $32, Y3, Y3
	VPADDQ  Y4, Y2, Y2
	VPADDQ  Y5, Y3, Y3
	VPADDQ  Y3, Y2, Y2

	// Each byte counts 64 times for every block behind its own.
	VPSLLQ $6, Y1, Y1
	VPADDQ Y1, Y2, Y2

	// Add the four lanes.
	VEXTRACTI128 $1, Y0, X4
	VEXTRACTI128 $1, Y2, X5
	VPADDQ       X4, X0, X0
	VPADDQ       X5, X2, X2
	VPSRLDQ      $8, X0, X4
	VPSRLDQ      $8, X2, X5
	VPADDQ       X4, X0, X0
	VPADDQ       X5, X2, X2
	VMOVQ        X0, AX
	VMOVQ        X2, DX
	VZEROUPPER
	MOVQ AX, total+16(FP)
	MOVQ DX, weighted+24(FP)
	RET
