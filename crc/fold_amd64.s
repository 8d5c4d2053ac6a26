#include "textflag.h"

// What a 128-bit piece is multiplied by to stand 2048 bits further on, modulo the polynomial of
// CRC-32C, bits reversed: x^(2048+32) for its first eight bytes, x^(2048-32) for the others.
DATA fold<>+0x00(SB)/8, $0xdcb17aa4
DATA fold<>+0x08(SB)/8, $0xb9e02b86
GLOBL fold<>(SB), RODATA|NOPTR, $16

// Folds the 64 bytes in z into those at off(SI).
#define FOLD(z, off) \
	VPCLMULQDQ $0x00, Z8, z, Z9           \
	VPCLMULQDQ $0x11, Z8, z, z            \
	VPTERNLOGQ $0x96, off(SI), Z9, z

// func foldAVX512(dst *[256]byte, p *byte, blocks int, state uint32)
TEXT ·foldAVX512(SB), NOSPLIT, $0-28
	MOVQ dst+0(FP), DI
	MOVQ p+8(FP), SI
	MOVQ blocks+16(FP), CX
	MOVL state+24(FP), AX

	VBROADCASTI32X4 fold<>(SB), Z8
	VMOVD           AX, X4
	VMOVDQU64       (SI), Z0
	VMOVDQU64       64(SI), Z1
	VMOVDQU64       128(SI), Z2
	VMOVDQU64       192(SI), Z3
	VPXORQ          Z4, Z0, Z0

loop:
	ADDQ $256, SI
	DECQ CX
	JZ   done
	FOLD(Z0, 0)
	FOLD(Z1, 64)
	FOLD(Z2, 128)
	FOLD(Z3, 192)
	JMP  loop

done:
	VMOVDQU64 Z0, (DI)
	VMOVDQU64 Z1, 64(DI)
	VMOVDQU64 Z2, 128(DI)
	VMOVDQU64 Z3, 192(DI)
	VZEROUPPER
	RET
