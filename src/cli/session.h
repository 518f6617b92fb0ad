#pragma once
/// One run of ipseckey: its settings, its world, its SADB. Every command needs it; the commands are in cli/verbs.
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "api/open.h"
#include "backend/backend.h"
#include "backend/spd.h"
#include "base/instant.h"
#include "cli/console.h"
#include "cli/key_file.h"
#include "cli/key_reuse.h"
#include "cli/misplaced.h"
#include "cli/options.h"
#include "cli/status.h"
#include "cli/warnings.h"
#include "kernel/policy_view.h"
#include "kernel/view.h"
#include "lang/language.h"
#include "lang/parse.h"
#include "pfkey/print.h"
#include "pfkey/units.h"

namespace ipseckey::cli {

/// A session's environment: everything that a test replaces.
struct World {
  Console& console;
  lang::Names names;
  std::function<std::optional<std::string>(const Address&)> host_name;    ///< For output.
  std::function<std::optional<std::string>(std::uint8_t)> protocol_name;  ///< For output.
  std::function<Instant()> clock;
  std::uint32_t pid;  ///< Of this process, for the messages.
  std::function<Result<std::unique_ptr<backend::Backend>>(const std::string& where)> open;  ///< --sadb.
  std::function<kernel::KernelView()> view_kernel;                                          ///< For doctor.
  std::function<std::unique_ptr<backend::Backend>(api::Scratch)> open_scratch;  ///< The empty SADB of a check.
  Random random = kernel_random;                                                ///< For genkey.
  std::function<HostFacts()> host = {};  ///< The host as it is now, for warnings; empty: nothing is known.
  std::string credentials = {};          ///< CREDENTIALS_DIRECTORY; empty: none.
  std::string owner_rows = {};           ///< The file that records which file owns which SAs; empty: none.
  /// The rules of the same place as `open`'s SAs, for ipsecconf.
  std::function<Result<std::unique_ptr<backend::Spd>>(const std::string& where)> open_spd = {};
  std::function<kernel::PolicyView()> view_policies = {};  ///< For ipsecconf's explain and doctor.
  /// Asks a status socket (system/status_client.h), for doctor.
  std::function<Result<std::string>(const std::string& path, std::string_view how)> ask_status = {};
};

inline constexpr std::size_t kTextOfOne = 4096;        ///< Bytes; the text of most SAs fits, so nothing moves.
inline constexpr std::size_t kTextOfMany = 32 * 1024;  ///< Bytes that are written at a time.
/// The consequence of a walk that ended early, where each SA was written as it came.
inline constexpr std::string_view kIncomplete = "the list is incomplete";

class Session {
 public:
  Session(Settings settings, World world);

  const Settings& settings() const { return settings_; }
  const World& world() const { return world_; }
  /// The name services, and the key files beside a file of commands (its path; empty or "-": the working folder).
  lang::Names names_beside(const std::string& file) const;
  Console& console() { return world_.console; }

  /// The SADB, opened at the first call. nullptr: the error has been printed, no_sadb() is the exit status.
  backend::Backend* sadb();
  /// The SADB if it is open.
  const backend::Backend* opened() const { return sadb_.get(); }
  /// Why the last sadb() gave none: usage (--sadb has no such word) or no_sadb.
  Status no_sadb() const { return no_sadb_; }
  /// From now on a throw-away engine is the SADB, empty: a check's.
  void use_scratch_sadb(api::Scratch kind);
  /// A session of the same world with such a SADB, which keeps what it is given.
  Session twin();
  bool is_check() const { return check_; }
  /// Forgets a SADB that stopped answering; the next sadb() opens it again.
  void lose_sadb() { sadb_.reset(); }

  /// The SADB's name for people and programs; the words that chose it while none is open.
  std::string sadb_name() const { return sadb_ ? sadb_->name() : settings_.sadb; }
  std::string shown_sadb() const { return pfkey::escaped(sadb_name()); }  ///< Harmless on a terminal.

  /// The host's facts for SAs. Whether it forwards is not known where the SADB may be another
  /// host's: a file that is checked for no SADB in particular, the engine of a socket that was named, `memory`.
  HostFacts host() const;
  const std::string& owner_rows() const { return world_.owner_rows; }
  Instant now() const { return world_.clock(); }
  /// How a file of keys is opened, and what an error means for the exit status.
  Care care() const { return settings_.service ? Care::refuse : Care::warn; }
  Status status_for(Errc code) const;
  /// Sends a DUMP and passes on each SA. An error of `each` ends the walk; the message says `consequence`.
  Status walk(pfkey::SaType type, std::string_view consequence, absl::FunctionRef<Result<void>(pfkey::Message&&)> each,
              std::size_t& count) {
    return walk(type, consequence, each, [] { return Result<void>(); }, count);
  }
  /// The same for what is written: `begin`, then the text of each SA, which `append` adds; `write` gets that of many at
  /// a time, and in any case the last.
  Status walk_text(pfkey::SaType type, std::string_view consequence, std::string_view begin,
                   absl::FunctionRef<void(pfkey::Message&&, SecretText&)> append,
                   absl::FunctionRef<Result<void>(std::string_view)> write, std::size_t& count);

  /// Numbers the message, and with -v prints it.
  void prepare(pfkey::Message& message);
  pfkey::PrintOptions print_options() const;

  /// The state that commands typed at the prompt have left so far.
  struct Typed {
    TypedKeys keys;
    Warnings warnings;
    bool fresh = false;  ///< `fresh` was one of them.
  };
  Typed& typed() { return typed_; }

 private:
  /// `finish` comes last, also after an error, and its error counts if there was none.
  Status walk(pfkey::SaType type, std::string_view consequence, absl::FunctionRef<Result<void>(pfkey::Message&&)> each,
              absl::FunctionRef<Result<void>()> finish, std::size_t& count);

  Settings settings_;
  World world_;
  std::unique_ptr<backend::Backend> sadb_;
  Status no_sadb_ = Status::no_sadb;
  bool check_ = false;
  std::uint32_t seq_ = 0;
  Typed typed_;
};

}  // namespace ipseckey::cli
