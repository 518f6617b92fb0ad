// Preloaded into user-mode-linux on processors whose vector state is larger than it supports (AMX): it returns only as
// much of a process's state as it has room for, and Linux refuses to set part of one, so the guest would end as it
// starts. This copies what it returns over the process's state, and sets all of that.
#include <dlfcn.h>
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <array>
#include <bit>
#include <cstdarg>
#include <cstddef>
#include <cstring>

namespace {

using Ptrace = decltype(&ptrace);

// Not on the stack: the guest's kernel calls from stacks of its own, which are small. It has one processor.
std::array<std::byte, std::size_t{1} << 16> g_state;

Ptrace the_library() {
  static const Ptrace found = [] {
    void* const symbol = dlsym(RTLD_NEXT, "ptrace");
    Ptrace function = nullptr;
    std::memcpy(&function, &symbol, sizeof function);
    return function;
  }();
  return found;
}

}  // namespace

extern "C" long ptrace(__ptrace_request request, ...) noexcept {
  va_list words;
  va_start(words, request);
  const int process = va_arg(words, int);
  void* const address = va_arg(words, void*);
  void* const data = va_arg(words, void*);
  va_end(words);

  const Ptrace library = the_library();
  void* const vector_state = std::bit_cast<void*>(std::size_t{NT_X86_XSTATE});
  if (request != PTRACE_SETREGSET || address != vector_state) return library(request, process, address, data);
  iovec part{};
  std::memcpy(&part, data, sizeof part);
  iovec whole{g_state.data(), g_state.size()};
  const long read = library(PTRACE_GETREGSET, process, address, &whole);
  if (read != 0 || part.iov_len >= whole.iov_len) return library(request, process, address, data);
  std::memcpy(g_state.data(), part.iov_base, part.iov_len);
  return library(request, process, address, &whole);
}
