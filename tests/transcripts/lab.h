#pragma once
/// The environment of a transcript: a clock that is stepped, names that never change, one SADB for all commands, a
/// captured console.
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/memory.h"
#include "backend/spd_testing.h"
#include "cli/program.h"
#include "engine/keysock.h"
#include "engine/testing.h"

namespace ipseckey::transcript {

/// The SADB of the transcript's machine, as ipsecd has it. This machine is 192.0.2.1 and 2001:db8::1.
class Sadb {
 public:
  explicit Sadb(backend::Clock clock);

  /// A new connection.
  std::unique_ptr<backend::Backend> connect();

  /// Processes what is due by now.
  void expire();

  /// A key manager reserves an SPI of ESP for traffic between two addresses; returns it.
  std::uint32_t getspi(const Address& src, const Address& dst, std::uint32_t wanted);
  /// A packet of that many bytes for an ESP SA. Returns whether the SA may carry it.
  bool traffic(std::uint32_t spi, const Address& dst, std::uint64_t bytes);

  /// Events while somebody monitors; called once, when the monitor listens.
  std::function<void()> meanwhile = [] {};

 private:
  class Client;
  std::function<void(engine::ClientId, const pfkey::Message&)> deliver();

  backend::Clock clock_;
  engine::testing::CountedPackets packets_;
  engine::Keysock keysock_;
  std::vector<Client*> clients_;
};

/// A command's output and how it ended.
struct Ran {
  std::string output;  ///< Lines of stdout start with "| ", lines of stderr with "! ", in the order of writing.
  int status;
};

class Lab {
 public:
  Lab();

  /// Runs `NAME ARGUMENTS`, ipseckey by either of its names, with this text as its standard input.
  Ran run(const std::string& name, std::vector<std::string> arguments, std::string_view input);

  /// The same for events while another command runs: their output joins that one's.
  void run_inside(const std::string& name, std::vector<std::string> arguments);
  /// Another program puts a rule into the database of rules, an entry of the policy language; or the database does by
  /// itself (derived).
  void hold(const std::string& entry, bool derived);
  /// The rule of that index drops packets that come in, or leave.
  void drop(std::uint32_t index, bool in, std::uint64_t packets);
  /// A line of output that no command wrote.
  void note(std::string_view line);

  Instant now;
  bool terminal = false;  ///< Whether stderr is one, so that errors are marked under their words.
  Sadb sadb;
  backend::testing::RuleStore rules = {.name = "ipsecd:/run/ipsecd/pfkey.sock"};

 private:
  cli::World world(cli::Console& console);
};

}  // namespace ipseckey::transcript
