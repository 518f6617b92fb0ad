#pragma once
/// Which SAs of a SADB were put there from which file, so that what a file no longer lists can go, and nothing else
/// does. No key is in it.
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "backend/companion.h"
#include "backend/store.h"

namespace backend {

/// A file of SAs, as the SAs' owner in one SADB.
struct Owner {
  std::string sadb;      ///< As sadb_identity() gives it.
  std::string file;      ///< Its full path.
  bool service = false;  ///< The system service, which also owns what it took from another file before.
};

/// When each SA was added, seconds since 1970: tells an SA from a later one of its name.
using Additions = std::map<SaName, std::uint64_t>;

class Owned {
 public:
  explicit Owned(std::string path);

  struct Holdings {
    Additions mine, others;
  };
  /// The rows of the owner and those of everybody else in that SADB. They are hints: an SA may be gone, or another one.
  Result<Holdings> read(const Owner& owner);
  /// In one change.
  Result<void> put(const Owner& owner, const Additions& sas);
  Result<void> erase(const Owner& owner, std::span<const SaName> sas);
  /// All rows of that SADB: it was flushed.
  Result<void> clear(const std::string& sadb);

 private:
  Result<void> erase_rows(const Owner& owner, const SaName& name);

  Store store_;
};

/// A SADB's name that no other one has: the kernel has a SADB in each network namespace.
std::string sadb_identity(const std::string& name);

/// The file in the folder that the service manager made for the unit (RUNTIME_DIRECTORY), in root's, or in the user's.
std::string owned_path(bool root, const std::string& unit, const std::string& user);

}  // namespace backend
