// Arbitrary bytes as a file of JSON: converted to commands, loaded into an engine, dumped as JSON, loaded again.
// Nothing may crash, every error message must be printable and have its position, and the engine's SAs must survive
// dump and load.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lang/json_commands.h"
#include "lang/request.h"
#include "load_twice.h"
#include "must.h"
#include "pfkey/json.h"

using namespace ipseckey;

namespace {

using pfkey::Message;

constexpr std::size_t kMaxCommands = 300;

bool harmless(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

class Loader {
 public:
  explicit Loader(engine::Engine& engine) : engine_(engine) {}

  /// `piece`: the most bytes that each read returns.
  void load(Bytes file, std::size_t piece) {
    lang::JsonCommands source(in_pieces(file, piece));
    for (std::size_t i = 0; i < kMaxCommands; ++i) {
      const auto line = source.next();
      if (!line || !*line) break;
      MUST(source.faults().empty() ==
           ((*line)->kind == lang::Line::Kind::command || (*line)->kind == lang::Line::Kind::nothing));
      if ((*line)->kind == lang::Line::Kind::broken_off) {
        ++refused_;
        const auto after = source.next();
        MUST(after && !*after);
        break;
      }
      for (const lang::SourceFault& f : source.faults()) {
        MUST(f.place.line >= (*line)->number && harmless(f.message + f.detail + f.place.pointer));
        ++refused_;
      }
      if ((*line)->kind == lang::Line::Kind::command) run(source, **line);
      if (i % 16 == 0) source.release(**line);
    }
  }

  std::size_t refused() const { return refused_; }

 private:
  void run(const lang::JsonCommands& source, const lang::Line& line) {
    const std::string_view text = source.text(line);
    auto command = parser_.parse(text, lang::Where::file);
    for (const lang::Fault& fault : parser_.faults()) show(fault, source, line);
    MUST(command || lang::has_errors(parser_.faults()));
    refused_ += !command;
    if (!command || command->row->operands != lang::Operands::extensions) return;
    std::vector<Message> messages;
    lang::to_messages(
        std::move(*command), names_, [&](lang::Objection&& o) { show(parser_.place(std::move(o)), source, line); },
        messages);
    for (Message& m : messages) send(std::move(m));
  }

  void show(const lang::Fault& fault, const lang::JsonCommands& source, const lang::Line& line) {
    const auto place = source.place(line, fault.at);
    MUST(place && place->line >= line.number && harmless(place->pointer));
  }

  void send(Message&& m) {
    m.seq = ++seq_, m.pid = 1;
    engine_.handle(std::move(m), now(), [&](engine::Audience, Message&& reply) { refused_ += reply.error != 0; });
  }

  engine::Engine& engine_;
  const lang::Names names_{
      [](const std::string&) -> Result<std::vector<Address>> { return fail(Errc::not_found, "no such host"); },
      [](const std::string&) { return std::optional<std::uint8_t>(); },
      [](const std::string&) { return std::optional<std::uint16_t>(); },
  };
  lang::Parser parser_{names_};
  std::uint32_t seq_ = 0;
  std::size_t refused_ = 0;
};

std::string dumped(engine::Engine& engine) {
  pfkey::JsonOptions options;
  options.sadb = "memory";
  return written(engine, "", [&](Message&& sa, SecretText& out) { pfkey::json_sa(sa, options, out); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return load_twice<Loader>(data, size, dumped);
}
