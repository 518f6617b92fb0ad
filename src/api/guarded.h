#pragma once
/// No exception leaves the library.
#include <concepts>
#include <exception>
#include <new>
#include <type_traits>

#include "base/result.h"

namespace ipseckey::api {

/// Returns the Result of `work`, or an Error io if it throws: "out of memory", or `other`. Both texts have at most 15
/// characters, so that they need no allocation.
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
