// Arbitrary bytes as a file of commands: checked, loaded into an engine, saved, loaded again. Nothing may crash, every
// error message must be printable, and the engine's SAs must survive save and load.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lang/lines.h"
#include "lang/request.h"
#include "lang/save.h"
#include "load_twice.h"
#include "must.h"

using namespace ipseckey;

namespace {

using pfkey::Message;

constexpr std::size_t kMaxCommands = 300;

lang::Names names() {
  return {
      [](const std::string& name) -> Result<std::vector<Address>> {
        if (name == "two") return std::vector{*parse_address("192.0.2.8"), *parse_address("192.0.2.9")};
        if (name == "six") return std::vector{*parse_address("2001:db8::6")};
        return fail(Errc::not_found, "no such host");
      },
      [](const std::string& name) { return name == "tcp" ? std::optional<std::uint8_t>(6) : std::nullopt; },
      [](const std::string& name) { return name == "https" ? std::optional<std::uint16_t>(443) : std::nullopt; },
  };
}

// Error messages escape or mask bytes that are not printable ASCII.
bool harmless(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f); });
}

class Loader {
 public:
  explicit Loader(engine::Engine& engine) : engine_(engine) {}

  /// `piece`: the most bytes that each read returns.
  void load(Bytes file, std::size_t piece) {
    lang::LineReader lines(in_pieces(file, piece));
    for (std::size_t i = 0; i < kMaxCommands; ++i) {
      const auto line = lines.next();
      if (!line || !*line) break;
      if ((*line)->kind == lang::Line::Kind::command) run(lines.text(**line), (*line)->number);
      lines.release(**line);
    }
  }

  std::size_t refused() const { return refused_; }
  std::size_t faults() const { return faults_; }

 private:
  void run(std::string_view text, std::uint32_t number) {
    auto command = parser_.parse(text, lang::Where::file);
    for (const lang::Fault& fault : parser_.faults()) show(fault, text, number);
    if (!command) return;
    MUST(!lang::has_errors(parser_.faults()));
    const bool sends = command->row->operands == lang::Operands::extensions;
    if (!sends) return;
    std::vector<Message> messages;
    lang::to_messages(
        std::move(*command), names_, [&](lang::Objection&& o) { show(parser_.place(std::move(o)), text, number); },
        messages);
    for (Message& m : messages) send(std::move(m));
  }

  void show(const lang::Fault& fault, std::string_view text, std::uint32_t number) {
    MUST(fault.at <= text.size() && fault.length <= text.size() - fault.at);
    std::string out;
    lang::render(fault, text, {"keys", number}, true, out);
    MUST(harmless(out));
    ++faults_;
  }

  void send(Message&& m) {
    m.seq = ++seq_, m.pid = 1;
    std::size_t answers = 0;
    engine_.handle(std::move(m), now(), [&](engine::Audience, Message&& reply) {
      ++answers;
      refused_ += reply.error != 0;
    });
    MUST(answers > 0);
  }

  engine::Engine& engine_;
  const lang::Names names_ = names();
  lang::Parser parser_{names_};
  std::uint32_t seq_ = 0;
  std::size_t refused_ = 0, faults_ = 0;
};

std::string saved(engine::Engine& engine) {
  lang::Saver saver(lang::kCommandFormat, false);
  return written(engine, saver.header(), [&](Message&& sa, SecretText& out) { saver.write(std::move(sa), out); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return load_twice<Loader>(data, size, saved);
}
