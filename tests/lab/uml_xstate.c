/* For linux.uml by LD_PRELOAD: lets User Mode Linux 6.1 run on processors with more registers than it knows.
 *
 * It saves and restores the extended state of its processes in a buffer of 2,696 bytes. The host's kernel hands out as much
 * as fits, but takes back only a whole state (xstateregs_set in arch/x86/kernel/fpu/regset.c): with AMX that is 11,008
 * bytes, so every restore fails and the kernel panics as it starts init. What lies beyond the buffer is filled up with
 * zeros here, and its bits in the state's header (XSTATE_BV, byte 512) are cleared, which means "as after a reset".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define LARGEST 65536
#define HEADER 512
#define KNOWN 0x2ffUL /* x87, SSE, AVX, MPX, AVX-512 and PKRU: all that lies in the first 2,696 bytes */

typedef long (*Ptrace)(int, pid_t, void *, void *);

static size_t whole_size(Ptrace real, pid_t pid)
{
	static size_t size;
	static char buffer[LARGEST];
	struct iovec all = { buffer, sizeof(buffer) };

	if (!size && real(PTRACE_GETREGSET, pid, (void *)(uintptr_t)NT_X86_XSTATE, &all) == 0)
		size = all.iov_len;
	return size;
}

long ptrace(enum __ptrace_request request, ...)
{
	static Ptrace real;
	static _Alignas(64) char whole[LARGEST];
	va_list rest;
	va_start(rest, request);
	pid_t pid = va_arg(rest, pid_t);
	void *address = va_arg(rest, void *);
	void *data = va_arg(rest, void *);
	va_end(rest);

	if (!real)
		real = (Ptrace)dlsym(RTLD_NEXT, "ptrace");
	if (request == PTRACE_SETREGSET && (uintptr_t)address == NT_X86_XSTATE) {
		struct iovec *given = data;
		size_t size = whole_size(real, pid);
		if (given->iov_len > HEADER + sizeof(uint64_t) && given->iov_len < size) {
			uint64_t present;
			memset(whole, 0, size);
			memcpy(whole, given->iov_base, given->iov_len);
			memcpy(&present, whole + HEADER, sizeof(present));
			present &= KNOWN;
			memcpy(whole + HEADER, &present, sizeof(present));
			struct iovec all = { whole, size };
			return real(request, pid, address, &all);
		}
	}
	return real(request, pid, address, data);
}
