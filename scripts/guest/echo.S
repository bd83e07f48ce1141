# A guest that fits in one boot sector and echoes typed characters on the screen and on COM1.
#
# Tests need a real virtual machine behind a real VNC server. It must be up within a second of
# emulation, and show the arrived keys as text instead of pictures. The BIOS does the work: int 10h
# for the screen, int 14h for the serial line, int 16h for the keyboard (Shift and layout included).

        .code16
        .globl _start
_start:
        ljmp    $0, $main               # some BIOSes arrive as 07C0:0000
main:
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $_start, %sp            # the stack grows down from the code
        sti

        movw    $0x0003, %ax            # 80 × 25 text
        int     $0x10
        movw    $0x0600, %ax            # clear by scrolling it all away ...
        movb    $0x1b, %bh              # ... to light cyan on blue, which no dead screen shows
        xorw    %cx, %cx
        movw    $0x184f, %dx
        int     $0x10

        movw    $0x00e3, %ax            # COM1, 9600 8N1
        xorw    %dx, %dx
        int     $0x14

        movw    $greeting, %si
greet:
        lodsb
        testb   %al, %al
        jz      echo
        call    put
        jmp     greet

echo:
        xorb    %ah, %ah                # waits; the BIOS halts the processor meanwhile
        int     $0x16
        testb   %al, %al                # a key without a character (arrows, function keys)
        jz      echo
        cmpb    $0xe0, %al              # the same, from the grey keys
        je      echo
        call    put
        cmpb    $'\r', %al
        jne     echo
        movb    $'\n', %al
        call    put
        jmp     echo

# Writes the character in %al to the screen and to COM1, and preserves it.
put:
        pushw   %ax
        movb    $0x0e, %ah
        xorw    %bx, %bx
        int     $0x10
        popw    %ax
        pushw   %ax
        movb    $0x01, %ah
        xorw    %dx, %dx
        int     $0x14
        popw    %ax
        ret

greeting:
        .asciz  "type here:\r\n"

        .org    510
        .word   0xaa55
