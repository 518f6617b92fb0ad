#pragma once
/// Small functions that the requests to the kernel's backend share.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/detail/side_table.h"
#include "pfkey/message.h"

namespace ipseckey::kernel::xfrm {

inline constexpr std::string_view kIdleNotEnforced =
    "idle limits will not be enforced: Linux has none; they are kept for save";

/// Appends a clause.
inline void append(std::string& text, std::string_view more) {
  if (!text.empty() && !more.empty()) text += "; ";
  text += more;
}

/// A reply that repeats the request, without keys.
inline pfkey::Message echo(pfkey::Message&& request, const std::string& remark = {}) {
  request.error = 0, request.diagnostic = 0;
  request.auth_key.reset(), request.encrypt_key.reset();
  if (!remark.empty()) request.remark = pfkey::Remark{remark};
  return std::move(request);
}

/// Whether the row is about this very SA, and not about an earlier one of the same name.
inline bool same_sa(const pfkey::Message& sa, const SideRow& beside) {
  return backend::same_moment(sa.current ? sa.current->addtime : 0, beside.added);
}

/// Whether a request that names this SA means it: the sources must match if both have one, and so must a mark if the
/// request has one. The kernel ignores the source, and finds SAs without a mark by any mark.
inline bool means(const pfkey::Message& request, const pfkey::Message& sa) {
  if (request.mark && request.mark->value != (sa.mark ? sa.mark->value : 0)) return false;
  return !request.src || !sa.src || is_unspecified(request.src->address) || is_unspecified(sa.src->address) ||
         request.src->address == sa.src->address;
}

/// The name of the SA in the other direction.
inline pfkey::Message partner_of(const pfkey::Message& sa, std::uint32_t spi) {
  pfkey::Message name;
  name.satype = sa.satype;
  name.sa = pfkey::Sa{.spi = spi};
  name.dst = sa.src, name.src = sa.dst;
  name.mark = sa.mark;
  return name;
}

}  // namespace ipseckey::kernel::xfrm
