    .section .rodata
    .globl glovebox_embedded_init, glovebox_embedded_init_end
    .globl glovebox_embedded_spawner, glovebox_embedded_spawner_end
    .hidden glovebox_embedded_init, glovebox_embedded_init_end
    .hidden glovebox_embedded_spawner, glovebox_embedded_spawner_end
    .balign 4096
glovebox_embedded_init:
    .incbin GLOVEBOX_INIT_PATH
glovebox_embedded_init_end:
    .balign 4096
glovebox_embedded_spawner:
    .incbin GLOVEBOX_SPAWNER_PATH
glovebox_embedded_spawner_end:
    .section .note.GNU-stack, "", @progbits
