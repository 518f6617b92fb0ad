#pragma once
/// Notices when another program changes ipsecd's tables in netfilter, as `nft flush ruleset` does.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "ipsecd/packets/netlink_ear.h"

namespace ipseckey::ipsecd {

/// Whether one of the kernel's messages (nf_tables, group NFNLGRP_NFTABLES) says that a table of that name, a chain or
/// a rule of it was changed by another netlink socket than `own`.
bool tells_of_change(Bytes messages, std::string_view table, std::uint32_t own);

class NfWatch {
 public:
  /// `own`: the port of the socket whose changes are not news. Errors: denied, io.
  static Result<NfWatch> make(std::string table, std::uint32_t own);

  /// Becomes readable when news() has something to read.
  int fd() const { return ear_.fd(); }

  enum class News : std::uint8_t {
    none,
    changed,  ///< By another program.
    lost,     ///< There was more than fits: it may have been changed.
  };
  /// What has happened since the last call. Never waits.
  News news();

 private:
  NfWatch(NetlinkEar ear, std::string table, std::uint32_t own)
      : ear_(std::move(ear)), table_(std::move(table)), own_(own) {}

  NetlinkEar ear_;
  std::string table_;
  std::uint32_t own_;
};

}  // namespace ipseckey::ipsecd
