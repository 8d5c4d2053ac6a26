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

// func foldAVX512(sum uint32, p *byte, blocks int) uint32
TEXT ·foldAVX512(SB), 0, $256-28
	MOVL sum+0(FP), AX
	MOVQ p+8(FP), SI
	MOVQ blocks+16(FP), CX
	NOTL AX

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
	VMOVDQU64 Z0, folded-256(SP)
	VMOVDQU64 Z1, folded-192(SP)
	VMOVDQU64 Z2, folded-128(SP)
	VMOVDQU64 Z3, folded-64(SP)
	VZEROUPPER

	// These 256 bytes have the remainder of all of them.
	XORL AX, AX
	LEAQ folded-256(SP), SI
	MOVL $32, CX

eight:
	CRC32Q (SI), AX
	ADDQ   $8, SI
	DECL   CX
	JNZ    eight
	NOTL   AX
	MOVL   AX, ret+24(FP)
	RET
