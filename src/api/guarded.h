#pragma once
/// No exception leaves the library.
#include <concepts>
#include <exception>
#include <new>
#include <type_traits>

#include "base/result.h"

namespace ipseckey::api {

/// Returns the Result of `work`, or an Error io if it throws. The texts are short enough to need no allocation.
template <std::invocable Work>
std::invoke_result_t<Work> guarded(Work work) noexcept {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return fail(Errc::io, "out of memory");
  } catch (...) {
    return fail(Errc::io, "callback threw");
  }
}

}  // namespace ipseckey::api
