    .section .rodata
    .globl glovebox_embedded_front, glovebox_embedded_front_end
    .hidden glovebox_embedded_front, glovebox_embedded_front_end
    .balign 4096
glovebox_embedded_front:
    .incbin GLOVEBOX_FRONT_PATH
glovebox_embedded_front_end:
    .section .note.GNU-stack, "", @progbits
