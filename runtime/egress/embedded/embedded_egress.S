    .section .rodata
    .globl glovebox_embedded_egress, glovebox_embedded_egress_end
    .hidden glovebox_embedded_egress, glovebox_embedded_egress_end
    .balign 4096
glovebox_embedded_egress:
    .incbin GLOVEBOX_EGRESS_PATH
glovebox_embedded_egress_end:
    .section .note.GNU-stack, "", @progbits
