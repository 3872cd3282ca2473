# The lab's operating system: one boot sector. It says on the serial port that it runs, sleeps, and when
# somebody presses the ACPI power button it says so and switches the machine off, as an operating system would.
# A Linux kernel would do the same in 15 MB and ten times the seconds.
#
# Registers: ACPI 6.4 §4.8.3 (PM1 status, enable and control blocks), at the addresses to which SeaBIOS maps the
# PIIX4 power management function of QEMU's `pc` machine. On PIIX4 sleep type 0 is soft off.

        .set    COM1_DATA, 0x3f8
        .set    COM1_LINE_STATUS, 0x3fd
        .set    CAN_SEND, 0x20
        .set    PM1_STATUS, 0x600
        .set    PM1_ENABLE, 0x602
        .set    PM1_CONTROL, 0x604
        .set    POWER_BUTTON, 0x0100
        .set    SLEEP_NOW_TYPE_0, 0x2000

        .code16
        .globl  _start
_start: cli
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7c00, %sp

        movw    $PM1_STATUS, %dx        # a button pressed before we ran does not count; writing 1 clears
        movw    $POWER_BUTTON, %ax
        outw    %ax, %dx
        movw    $PM1_ENABLE, %dx
        outw    %ax, %dx
        movw    $is_up, %si
        call    say

wait:   sti                             # sleep until the next timer tick, some 18 a second: no core is burnt
        hlt
        movw    $PM1_STATUS, %dx
        inw     %dx, %ax
        testw   $POWER_BUTTON, %ax
        jz      wait

        movw    $is_leaving, %si
        call    say
        movw    $PM1_CONTROL, %dx
        movw    $SLEEP_NOW_TYPE_0, %ax
        outw    %ax, %dx
        jmp     wait

say:    movw    $COM1_LINE_STATUS, %dx
1:      inb     %dx, %al
        testb   $CAN_SEND, %al
        jz      1b
        lodsb
        testb   %al, %al
        jz      2f
        movw    $COM1_DATA, %dx
        outb    %al, %dx
        jmp     say
2:      ret

is_up:      .asciz "\r\nsteelyard-guest: up\r\n"
is_leaving: .asciz "steelyard-guest: power button pressed, switching off\r\n"

        .org    510
        .word   0xaa55
