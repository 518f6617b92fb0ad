#pragma once
/// Records which SAs of a SADB came from which file, so that an apply can remove the SAs that its file no longer lists,
/// and no others. The records contain no keys.
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>

#include "backend/sa_name.h"
#include "backend/sadb_place.h"
#include "backend/store.h"

namespace ipseckey::apply {

/// A file of SAs, as the SAs' owner in one SADB.
struct Owner {
  std::string sadb;      ///< SadbPlace::name.
  std::string file;      ///< Its full path, or a name that was chosen.
  bool service = false;  ///< The system service, which also owns what it added from other files before.
};

/// When each SA was added, seconds since 1970: distinguishes an SA from a later one with the same name.
using Additions = std::map<backend::SaName, std::uint64_t>;

class OwnerRows {
 public:
  explicit OwnerRows(std::string path);

  /// Removes the rows of SADBs that are certainly gone: those of another boot, of a namespace whose number `here` has
  /// now, and of an ipsecd without --keep whose process has ended (by `ended`). Records which process serves `here`.
  Result<void> prune(const backend::SadbPlace& here, bool (*ended)(const backend::SadbProcess&) = backend::has_ended);

  struct Holdings {
    Additions mine, others;
  };
  /// The rows of the owner, and those of all others, in that SADB. They are hints: an SA may be gone, or another SA may
  /// have its name now.
  Result<Holdings> read(const Owner& owner);
  /// In one transaction.
  Result<void> put(const Owner& owner, const Additions& sas);
  Result<void> erase(const Owner& owner, std::span<const backend::SaName> sas);
  /// Removes all rows of that SADB: it was flushed.
  Result<void> clear(const std::string& sadb);

 private:
  Result<void> run(std::size_t query, std::initializer_list<std::string> parameters);
  Result<void> forget(const std::string& sadb);
  Result<void> forget_other_boots(const std::string& boot);
  Result<void> erase_rows(const Owner& owner, const backend::SaName& name);

  backend::Store store_;
};

/// The path of the rows: in the folder `unit` that the service manager created (RUNTIME_DIRECTORY) unless it is empty,
/// else in root's folder or in the folder `user`.
std::string owner_rows_path(bool root, const std::string& unit, const std::string& user);

}  // namespace ipseckey::apply
