#pragma once
/// Tests what the kernel supports: it builds whole SAs and must refuse each at the last step, because the replay window
/// does not fit its bitmap. Nothing is ever added; modules are loaded as for any SA.
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

/// Why the kernel refuses an SA.
struct Lack {
  int error = 0;      ///< The errno that an ADD would get.
  std::string text;   ///< The kernel's own words; empty: the machine's files were read instead.
  bool type = false;  ///< The protocol is missing.
};

/// Tests kinds of SAs: protocol, family, algorithms and their key lengths. Each kind is tested once, with made-up keys.
class Trials {
 public:
  Trials(KernelFiles files, std::function<Result<Netlink>()> connect)
      : files_(std::move(files)), connect_(std::move(connect)) {}

  /// Why the kernel would refuse an ADD of that kind, whatever its keys; nullopt: it would not, or this is unknown.
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

/// Everything that the kernel supports for IPsec.
struct KernelReport {
  bool asked = false;  ///< The kernel itself was tested; otherwise the machine's files were read.
  std::vector<KernelFact> facts;
};

using Connect = std::function<Result<Netlink>()>;

/// Tests the kernel if this user may; otherwise reads the files.
KernelReport kernel_report(const KernelFiles& files, const Connect& connect);

/// Whether ESP or AH over a family exists. Reads the files, and tests the kernel if they do not answer that.
Presence type_presence(const KernelFiles& files, const Connect& connect, pfkey::SaType type, Family family);

/// Why the kernel is not usable as an SADB, with the command that mends it; empty: it has ESP or AH, or may have.
std::string kernel_lacks(const KernelFiles& files, const Connect& connect);

}  // namespace ipseckey::kernel
