#pragma once
/// No exception leaves the library.
#include <concepts>
#include <exception>
#include <new>
#include <type_traits>

#include "base/result.h"

namespace ipseckey::api {

/// What `work` returns, a Result; or an Error io instead of an exception: "out of memory", or `other` of at most 15
/// characters, so that the text needs no memory.
template <std::invocable Work>
std::invoke_result_t<Work> guarded(Work work, const char* other = "internal error") noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return fail(Errc::io, "out of memory");
  } catch (...) {
    return fail(Errc::io, other);
  }
}

}  // namespace ipseckey::api
