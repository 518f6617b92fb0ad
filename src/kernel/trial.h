#pragma once
/// What the kernel can do, by asking it: SAs that it builds whole and then has to refuse at the last step, for a replay
/// window that does not fit its bitmap. Nothing is ever added; modules are loaded as for any SA.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/net.h"
#include "kernel/facts.h"
#include "kernel/netlink.h"
#include "pfkey/message.h"

namespace ipseckey::kernel {

/// What keeps the kernel from an SA.
struct Lack {
  int error = 0;      ///< errno that an ADD would get.
  std::string text;   ///< The kernel's own words; empty: it was not asked, the machine's files say so.
  bool type = false;  ///< It is the protocol.
};

/// Tries out kinds of SAs: protocol, family, algorithms and lengths of their keys. Each is tried once, with keys that
/// are made up.
class Trials {
 public:
  Trials(KernelFiles files, std::function<Result<Netlink>()> connect)
      : files_(std::move(files)), connect_(std::move(connect)) {}

  /// Why the kernel would refuse an ADD of that kind, whatever its keys; nullopt: it would not, or nobody knows.
  std::optional<Lack> lack(const pfkey::Message& sa);

 private:
  using Kind = std::tuple<pfkey::SaType, Family, bool, std::uint8_t, std::size_t, std::uint8_t, std::size_t>;

  std::optional<Lack> try_kind(const pfkey::Message& sa);
  std::optional<Lack> missing_file(const pfkey::Message& sa) const;

  KernelFiles files_;
  std::function<Result<Netlink>()> connect_;
  std::map<Kind, std::optional<Lack>> known_;
};

/// A fact of the kernel.
struct KernelFact {
  std::string_view topic;  ///< "protocol", "authentication", "encryption", "feature".
  std::string name;        ///< "ESP over IPv4", "aes-gcm", "ESN".
  Presence presence = Presence::unknown;
  std::string cure = {};  ///< The command that mends it, if one is known.
};

/// All that the kernel can do for IPsec.
struct KernelReport {
  bool asked = false;  ///< The kernel itself was asked; else the machine's files were.
  std::vector<KernelFact> facts;
};

using Connect = std::function<Result<Netlink>()>;

/// Asks the kernel where this user may, and the files where not.
KernelReport kernel_report(const KernelFiles& files, const Connect& connect);

/// Whether there is ESP or AH over a family. Asks the files, and where they do not know the kernel.
Presence type_presence(const KernelFiles& files, const Connect& connect, pfkey::SaType type, Family family);

/// Why the kernel is no SADB, with the command that mends it; empty: it has ESP or AH, or perhaps has.
std::string kernel_lacks(const KernelFiles& files, const Connect& connect);

}  // namespace ipseckey::kernel
