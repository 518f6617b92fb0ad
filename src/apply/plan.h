#pragma once
/// The changes that make a SADB match a file.
#include <absl/container/flat_hash_map.h>

#include <optional>
#include <string>
#include <vector>

#include "apply/owner_rows.h"
#include "backend/backend.h"
#include "lang/compare.h"

namespace ipseckey::apply {

/// One SA of the file, or one to be removed.
struct PlannedSa {
  enum class Do : std::uint8_t { add, update, replace, keep, remove };

  backend::SaName name;
  Address src = {};
  Do what = Do::add;
  lang::KeywordSet differs = {};  ///< Of update and replace.
  std::uint32_t pair = 0;         ///< SPI of the wanted partner, host order; 0: none.
  std::uint32_t held_pair = 0;    ///< Of the partner that it has.
  std::uint64_t added = 0;        ///< Seconds since 1970; 0: it is not there yet.
  bool joined = false;            ///< Paired as wanted.
  bool failed = false;
  bool done = false;    ///< The SADB confirmed it.
  bool undone = false;  ///< Not requested, or not answered, when the apply ended early.
};

class Plan {
 public:
  using Do = PlannedSa::Do;

  /// `names_by_mark`: see Backend.
  explicit Plan(bool names_by_mark) : names_by_mark_(names_by_mark) {}

  /// Takes every SA of the desired state: at first all are planned to be added.
  Result<void> want(backend::Backend& desired);
  /// What the SAs of the SADB are compared with.
  struct Against {
    backend::Backend& desired;  ///< As want() took it.
    const OwnerRows::Holdings& holdings;
    bool all;           ///< SAs that are not listed are removed, whoever owns them.
    std::uint64_t now;  ///< Seconds since 1970.
  };
  /// Takes one SA that the SADB has, and decides what happens to it. Errors: invalid, and then there is no plan.
  Result<void> compare(pfkey::Message&& held, const Against& against);
  /// Decides about pairs, after the last SA.
  void compare_pairs();

  /// Everything is flushed first: existing SAs are removed, all wanted ones added.
  void begin_anew();

  std::vector<PlannedSa>& wanted() { return wanted_; }
  std::vector<PlannedSa>& surplus() { return surplus_; }
  /// The wanted partner of a wanted SA; nullptr: there is none.
  PlannedSa* partner(const PlannedSa& sa);
  /// To be called if the apply ended early: from then on only SAs that are kept, refused or known to be done count.
  void end_early();
  /// The number of SAs with one of these actions that did not fail.
  std::size_t count(std::initializer_list<Do> actions) const;
  std::size_t failed() const;

 private:
  struct Hash {
    std::size_t operator()(const backend::SaName& n) const {
      return absl::HashOf(static_cast<int>(n.satype), n.spi, n.dst.octets, n.mark);
    }
  };

  PlannedSa* find(backend::SaName name);
  Result<void> look_at(pfkey::Message&& held, const Against& against);
  void look_at_surplus(const pfkey::Message& held, const Against& against);

  bool names_by_mark_;
  std::vector<PlannedSa> wanted_, surplus_;  // In the orders of the file and of the SADB.
  absl::flat_hash_map<backend::SaName, std::size_t, Hash> index_;
};

/// The SA of that name in an engine of this process; nullopt: it is not there.
std::optional<pfkey::Message> find_sa(backend::Backend& engine, const backend::SaName& name);

/// "esp SA spi 0x2112 dst 192.0.2.1".
std::string text_of(const backend::SaName& name);
/// The plan for a person, and for a program as lines of the kind "plan" (doc/reference/json.md).
std::string plan_text(Plan& plan);
std::string plan_json(Plan& plan, const std::string& sadb, const std::string& file);
/// The result, in a dry run the expected one: a line of the kind "apply".
std::string summary_json(const Plan& plan, const std::string& sadb, const std::string& file, bool dry_run);

}  // namespace ipseckey::apply
