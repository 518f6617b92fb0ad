#include "cli/status.h"

#include <algorithm>
#include <array>

namespace ipseckey::cli {
namespace {

constexpr std::array kTexts = {
    StatusText{Status::ok, "success"},
    StatusText{Status::failed, "a command is wrong or was refused"},
    StatusText{Status::usage, "wrong usage; nothing was done"},
    StatusText{Status::no_sadb, "no SADB answers"},
    StatusText{Status::file, "a file cannot be read or written"},
    StatusText{Status::busy, "another apply is running on this SADB; nothing was changed: try again"},
    StatusText{Status::bad_file, "with --service: the file is wrong or other users can access it; nothing was changed"},
    StatusText{Status::no_privilege, "with --service: this user lacks the permission"},
};

}  // namespace

std::span<const StatusText> statuses() { return kTexts; }

Status worse(Status a, Status b) {
  static constexpr std::array kOrder = {Status::ok,   Status::busy,     Status::failed,  Status::usage,
                                        Status::file, Status::bad_file, Status::no_sadb, Status::no_privilege};
  return *std::max(std::ranges::find(kOrder, a), std::ranges::find(kOrder, b));
}

Status status_of(Errc code) {
  switch (code) {
    case Errc::syntax:
      return Status::usage;
    case Errc::io:
      return Status::file;
    case Errc::unreachable:
    case Errc::timeout:
    case Errc::denied:
    case Errc::unsupported:
    case Errc::malformed:
      return Status::no_sadb;
    case Errc::invalid:
    case Errc::exists:
    case Errc::not_found:
      return Status::failed;
  }
  return Status::failed;
}

}  // namespace ipseckey::cli
