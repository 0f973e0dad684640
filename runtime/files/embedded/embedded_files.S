    .section .rodata
    .globl glovebox_embedded_files, glovebox_embedded_files_end
    .hidden glovebox_embedded_files, glovebox_embedded_files_end
    .balign 4096
glovebox_embedded_files:
    .incbin GLOVEBOX_FILES_PATH
glovebox_embedded_files_end:
    .section .note.GNU-stack, "", @progbits
