"""Stops a program just before each change that it asks the kernel's IPsec for, and ends it before a chosen one. ptrace(2), so that the
program needs no hook for it."""
import ctypes
import errno
import os
import signal
import struct

from netns import inside

TRACEME, PEEK, GETREGS, SYSCALL, SETOPTIONS = 0, 2, 12, 24, 0x4200
SYSGOOD, EXITKILL = 1, 1 << 20  # Options: stops of system calls have a mark of their own; the program ends with its tracer.
REGISTERS = "=27q"              # user_regs_struct of x86-64, with the places of the result, the buffer and the number.
RESULT, BUFFER, NUMBER = 10, 13, 15
SENDTO = 44
CHANGES = (0x13, 0x14, 0x19)    # XFRM_MSG_NEWPOLICY, DELPOLICY, UPDPOLICY

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def ptrace(request, pid=0, address=0, data=0):
    ctypes.set_errno(0)
    got = libc.ptrace(request, pid, address, data)
    if ctypes.get_errno() != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")
    return got


def asks_for_a_change(pid):
    """Whether it is about to send such a request. The header of a netlink message has its type behind its length."""
    registers = ctypes.create_string_buffer(struct.calcsize(REGISTERS))
    ptrace(GETREGS, pid, 0, ctypes.addressof(registers))
    values = struct.unpack(REGISTERS, registers.raw)
    if values[NUMBER] != SENDTO or values[RESULT] != -errno.ENOSYS:  # As it is before the call.
        return False
    return (ptrace(PEEK, pid, values[BUFFER]) >> 32 & 0xffff) in CHANGES


def run_until(netns, command, last, at_each):
    """Runs the command in the namespace and calls `at_each` while it is stopped before each request. It is killed before the request
    with the number `last`, from 1: then returns True. False: there were fewer, and it has ended with status 0."""
    pid = os.fork()
    if pid == 0:
        try:
            with inside(netns):
                ptrace(TRACEME)
                null = os.open("/dev/null", os.O_RDWR)
                os.dup2(null, 1)
                os.execv(command[0], command)
        finally:
            os._exit(127)
    os.waitpid(pid, 0)  # The exec.
    ptrace(SETOPTIONS, pid, 0, SYSGOOD | EXITKILL)
    number = deliver = 0
    while True:
        ptrace(SYSCALL, pid, 0, deliver)
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return False
        if not os.WIFSTOPPED(status):
            raise RuntimeError(f"{command} ended with status {status:#x}")
        deliver = 0 if os.WSTOPSIG(status) == signal.SIGTRAP | 0x80 else os.WSTOPSIG(status)
        if deliver or not asks_for_a_change(pid):
            continue
        number += 1
        at_each()
        if number == last:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return True
