#pragma once
/// Who may talk to ipsecd, and how far.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "pfkey/message.h"

namespace ipseckey::ipsecd {

enum class Access : std::uint8_t {
  none,
  read,  ///< GET, DUMP and notices of changes; never a key, never a change.
  all,
};

/// The numbers by which the kernel shows users and groups that this process' user namespace does not know
/// (user_namespaces(7)); nullopt: it knows all, and each number is one user's.
struct Strangers {
  std::optional<uid_t> user;
  std::optional<gid_t> group;
};
/// From /proc; what cannot be read there is taken to have strangers.
Strangers strangers();

/// The groups beside root and the user whom ipsecd runs as.
struct Policy {
  std::optional<gid_t> group;       ///< Whose members have all access.
  std::optional<gid_t> read_group;  ///< Whose members read.
  Strangers strangers = {};         ///< Whose numbers name nobody.
};

/// Who is at the other end of a connected Unix socket, as the kernel noted it when the connection was made.
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  Access access = Access::none;
  bool owner = false;  ///< Root and the user of this process: no limit of connections holds for them.
};
std::optional<Peer> peer_of(int fd, const Policy& policy);

/// The group of that name or number. Error not_found.
Result<gid_t> group_id(const std::string& name);

/// Whether a request is one that a reader may make.
bool readers_may(const pfkey::Message& request);
/// Takes everything out of a message that a reader may not see, and says so in it.
void hide_keys(pfkey::Message& message);

}  // namespace ipseckey::ipsecd
