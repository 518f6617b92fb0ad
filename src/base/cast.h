#pragma once
/// The sound casts between pointer types, each named for its reason. Bytes from outside go through Reader and Writer
/// (base/bytes.h); nothing else casts.
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "base/bytes.h"

namespace ipseckey {

/// The types through which any object may be read and written.
template <class T>
concept Octet = std::same_as<std::remove_cv_t<T>, std::byte> || std::same_as<std::remove_cv_t<T>, char> ||
                std::same_as<std::remove_cv_t<T>, unsigned char>;

namespace cast_detail {
template <class From, class To>
using Like = std::conditional_t<std::is_const_v<From>, const To, To>;
template <class From>
using Void = Like<From, void>;
}  // namespace cast_detail

/// Octets as the character type of another interface; const is kept.
template <Octet To, Octet From>
auto* octets_as(From* octets) {
  return static_cast<cast_detail::Like<From, To>*>(static_cast<cast_detail::Void<From>*>(octets));
}

/// Octets as the characters that they are.
inline std::string_view chars_of(Bytes octets) { return {octets_as<char>(octets.data()), octets.size()}; }

/// A system structure as the generic pointer type of its interface, such as a sockaddr_un as a sockaddr. The caller
/// reads nothing through it.
template <class To, class From>
  requires std::is_trivially_copyable_v<From> && std::is_standard_layout_v<From> && std::is_standard_layout_v<To>
auto* interface_cast(From* structure) {
  return static_cast<cast_detail::Like<From, To>*>(static_cast<cast_detail::Void<From>*>(structure));
}

/// The object at the start of a piece of memory where one was constructed, or where none needs to be because the type's
/// constructor and destructor are trivial. The memory must be large enough and aligned for it.
template <class T, Octet O>
  requires(!std::is_const_v<O>)
T* object_at(O* memory) {
  void* const untyped = memory;
  return static_cast<T*>(untyped);
}

}  // namespace ipseckey
