#pragma once
/// One run of ipseckey: its settings, its SADB, its name services. What every command needs.
#include <functional>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "backend/open.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/status.h"
#include "lang/names.h"
#include "lang/parse.h"
#include "pfkey/print.h"

namespace cli {

class Session {
 public:
  Session(Settings settings, lang::Names names);

  const Settings& settings() const { return settings_; }
  const lang::Names& names() const { return names_; }
  Console& console() { return console_; }

  /// The SADB, opened at the first call. The error has been printed.
  backend::Backend* sadb();
  /// From now on a throw-away engine is the SADB, empty and without keys: the check's.
  void use_scratch_sadb();
  bool is_check() const { return check_; }
  /// Forgets a SADB that stopped answering; the next sadb() opens it anew.
  void lose_sadb() { sadb_.reset(); }

  /// Numbers the message, and with -v prints it.
  void prepare(pfkey::Message& message);
  pfkey::PrintOptions print_options() const;

  // The commands that are more than messages and their replies.
  Status dump(pfkey::SaType type);
  Status save(pfkey::SaType type, const std::string& path);
  Status load(const std::string& path, lang::Where where);
  Status monitor(bool promiscuous);
  Status help(const std::string& topic);

 private:
  Status walk(pfkey::SaType type, absl::FunctionRef<Result<void>(pfkey::Message&&)> each, std::size_t& count);

  Settings settings_;
  lang::Names names_;
  Console console_;
  backend::Surroundings surroundings_;
  std::unique_ptr<backend::Backend> sadb_;
  bool check_ = false;
  std::uint32_t seq_ = 0;
  std::function<std::optional<std::string>(const Address&)> host_name_;
};

}  // namespace cli
