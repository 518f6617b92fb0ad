#pragma once
/// Who may use ipsecd, and for what.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "pfkey/message.h"

namespace ipseckey::ipsecd {

enum class Access : std::uint8_t {
  none,
  read,  ///< GET, DUMP and notices of changes; no keys and no changes.
  all,
};

/// The numbers that the kernel shows for users and groups unknown to this process's user namespace
/// (user_namespaces(7)); nullopt: it knows all of them, and each number means one user.
struct Strangers {
  std::optional<uid_t> user;
  std::optional<gid_t> group;
};
/// Read from /proc; if a file cannot be read, strangers are assumed.
Strangers strangers();

/// The groups besides root and ipsecd's own user.
struct Policy {
  std::optional<gid_t> group;       ///< Members have full access.
  std::optional<gid_t> read_group;  ///< Members may only read.
  Strangers strangers = {};         ///< Numbers that identify nobody.
};

/// The process at the other end of a connected Unix socket, as the kernel recorded it when it connected.
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  Access access = Access::none;
  bool owner = false;  ///< Root and this process's own user: limits on connections do not apply to them.
};
std::optional<Peer> peer_of(int fd, const Policy& policy);

/// The group of that name or number. Error not_found.
Result<gid_t> group_id(const std::string& name);

/// Whether a reader may make this request.
bool readers_may(const pfkey::Message& request);
/// Removes everything from a message that a reader may not see, and adds a remark about it.
void hide_keys(pfkey::Message& message);

}  // namespace ipseckey::ipsecd
