    .section .rodata
    .globl glovebox_embedded_importer, glovebox_embedded_importer_end
    .hidden glovebox_embedded_importer, glovebox_embedded_importer_end
    .balign 4096
glovebox_embedded_importer:
    .incbin GLOVEBOX_IMPORTER_PATH
glovebox_embedded_importer_end:
    .section .note.GNU-stack, "", @progbits
