#pragma once
/// The current state of every SA, in memory that the service manager holds for the next ipsecd ("Restart" in
/// doc/reference/service.md).
///
/// Three descriptors: the SAs, each sealed with AES-256-GCM under the vault's own key (sealed_records.h); the key, in
/// the queue of a socket, in kernel memory that is never swapped and has no name; and the numbers that packets advance
/// (traffic/sa_numbers.h), which are not secret. None of them alone reveals a key.
#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "engine/engine.h"
#include "ipsecd/keep/sealed_records.h"
#include "ipsecd/keep/shared_pages.h"
#include "system/descriptor.h"
#include "traffic/hash.h"
#include "traffic/sa_numbers.h"

namespace ipseckey::ipsecd {

class Vault final : public engine::Keeper {
 public:
  using Log = std::function<void(std::string_view)>;

  /// The descriptors by their names in the store.
  static constexpr std::array<const char*, 3> kNames = {"ipsecd-sas", "ipsecd-numbers", "ipsecd-key"};
  using Parts = std::array<Descriptor, 3>;

  /// An empty one. Errors: those of SharedPages, io.
  static Result<std::unique_ptr<Vault>> make(Log log);
  /// What the previous ipsecd left, in the order of kNames. Errors: malformed (a part is missing or not valid), io.
  static Result<std::unique_ptr<Vault>> take_over(Parts parts, Log log);
  ~Vault() override;

  /// The parts, in the order of kNames; the vault keeps them.
  std::array<int, 3> parts() const { return {records_.fd(), numbers_.fd(), key_socket_.get()}; }

  /// Passes on every SA in it, oldest first, with its current numbers. Returns how many could not be read.
  std::size_t each(const std::function<void(engine::Kept&&)>& take);

  void keep(engine::Kept&& kept) override;
  void forget(const engine::SaId& id) override;
  /// The numbers of an SA that is kept; for any other, numbers that end with the process. The vault outlives them.
  std::shared_ptr<traffic::SaNumbers> numbers_of(const engine::SaId& id);

  std::size_t size() const { return index_.size(); }

 private:
  struct Place {
    SealedRecords::Offset offset = 0;
    std::shared_ptr<traffic::SaNumbers> numbers;  // Created on first use.
  };
  struct Hash {
    std::size_t operator()(const engine::SaId& id) const { return traffic::hash_of(id) * 0x9e3779b97f4a7c15u; }
  };

  Vault(SealedRecords records, SharedPages numbers, Descriptor key_socket, Log log);
  static Result<std::unique_ptr<Vault>> made_of(SharedPages records, SharedPages numbers, Secret key,
                                                Descriptor key_socket, Log log);
  std::shared_ptr<traffic::SaNumbers> numbers_at(std::uint64_t cell);
  std::vector<bool> claim_cells(const std::vector<SealedRecords::Found>& found);
  std::optional<engine::Kept> read(const SealedRecords::Found& found);
  void complain();

  SealedRecords records_;  // Each tag is the position of its SA's numbers; 0: none.
  SharedPages numbers_;
  Descriptor key_socket_;
  Log log_;
  bool complained_ = false;
  std::uint64_t cells_ = 1;  // Cells ever used; 0 means none.
  std::vector<std::uint64_t> free_cells_;
  absl::flat_hash_map<engine::SaId, Place, Hash> index_;
};

}  // namespace ipseckey::ipsecd
