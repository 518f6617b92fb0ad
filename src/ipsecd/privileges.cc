#include "ipsecd/privileges.h"

#include <cap-ng.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <vector>

#include "ipsecd/confine.h"

namespace ipseckey::ipsecd {

Result<void> become(const std::string& user) {
  const passwd* const entry = ::getpwnam(user.c_str());
  if (!entry) return fail(Errc::not_found, fmt::format("there is no user {}", user));
  capng_clear(CAPNG_SELECT_BOTH);
  capng_updatev(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED), CAP_NET_ADMIN, CAP_NET_RAW,
                -1);
  const auto how = static_cast<capng_flags_t>(CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
  if (const int r = capng_change_id(static_cast<int>(entry->pw_uid), static_cast<int>(entry->pw_gid), how); r != 0)
    return fail(Errc::denied, fmt::format("cannot become the user {} (step {}): only root can", user, -r));
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return {};
}

// Capabilities that are missing, as in a container, cannot be kept. A sanitizer's leak report inspects a process that
// hides its memory.
void keep_two_capabilities() {
  if (::geteuid() != 0) return;
  std::vector<unsigned> kept;
  for (const int one : {CAP_NET_ADMIN, CAP_NET_RAW, kSanitized ? CAP_SYS_PTRACE : CAP_NET_RAW})
    if (const auto number = static_cast<unsigned>(one); capng_have_capability(CAPNG_PERMITTED, number) == 1)
      kept.push_back(number);
  capng_clear(CAPNG_SELECT_BOTH);
  constexpr auto kSets = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
  for (const unsigned number : kept) capng_update(CAPNG_ADD, kSets, number);
  if (capng_apply(CAPNG_SELECT_BOTH) == 0) return;
  [[maybe_unused]] const int without_bounds = capng_apply(CAPNG_SELECT_CAPS);
}

}  // namespace ipseckey::ipsecd
