// How a text becomes requests:
// 1. open_source() detects whether it is commands or JSON, and cuts it into commands.
// 2. read_line() parses each. add() locates its faults in the text: by line and column, or, in an object of JSON, by
//    line and pointer.
// 3. to_messages() makes the requests, one for each address of a destination's name. A command with an error has none.
#include "api/language.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "api/guarded.h"
#include "api/names.h"
#include "base/secret_text.h"
#include "lang/parse.h"
#include "lang/request.h"
#include "lang/save.h"
#include "lang/source.h"
#include "pfkey/json.h"

namespace ipseckey {

using api::guarded;
using pfkey::Message;

namespace {

class CommandReader {
 public:
  CommandReader(std::string_view text, Lookup lookup)
      : rest_(text), names_(lookup == Lookup::system ? api::system_names() : api::numeric_names()), parser_(names_) {}

  Commands read() {
    auto opened = lang::open_source([this](MutableBytes out) -> Result<std::size_t> { return fill(out); });
    if (!opened) return add_end(opened.error()), std::move(commands_);
    source_ = std::move(*opened);
    while (!ended_) {
      const auto line = source_->next();
      if (!line) add_end(line.error());
      if (!line || !*line) break;
      take(**line);
      source_->release(**line);
    }
    return std::move(commands_);
  }

 private:
  std::size_t fill(MutableBytes out) {
    const std::size_t size = std::min(out.size(), rest_.size());
    if (size > 0) std::memcpy(out.data(), rest_.data(), size);
    rest_.remove_prefix(size);
    return size;
  }

  void take(const lang::Line& line) {
    using Kind = lang::Line::Kind;
    switch (line.kind) {
      case Kind::command:
        return read_line(line);
      case Kind::too_long:
      case Kind::swallowed:
        return add({line.kind == Kind::swallowed, line.number, 0, {}, lang::reason(line.kind)});
      case Kind::broken_off:
        ended_ = true;
        [[fallthrough]];
      case Kind::faulty:
      case Kind::left_out:
        for (const lang::SourceFault& f : source_->faults())
          add({line.kind == Kind::left_out, f.place.line, 0, f.place.pointer, f.message + f.detail});
        return;
      case Kind::nothing:
        return;
    }
  }

  void read_line(const lang::Line& line) {
    auto command = parser_.parse(source_->text(line), lang::Where::file);
    for (const lang::Fault& fault : parser_.faults()) add(fault, line);
    if (!command) return;
    if (command->row->verb == lang::Verb::fresh) return parser_.keys_are_fresh();
    if (command->row->verb == lang::Verb::quit) return void(ended_ = true);
    std::vector<Message> messages;
    bool refused = false;
    lang::to_messages(
        std::move(*command), names_,
        [&](lang::Objection&& o) {
          refused = refused || o.severity == lang::Severity::error;
          add(parser_.place(std::move(o)), line);
        },
        messages);
    if (refused) return;
    for (Message& m : messages) commands_.requests.push_back({std::move(m), line.number});
  }

  void add(const lang::Fault& fault, const lang::Line& line) {
    const bool warning = fault.severity == lang::Severity::warning;
    if (auto at = source_->place(line, fault.at))
      return add({warning, at->line, 0, std::move(at->pointer), fault.message});
    const lang::Position at = lang::position_of(source_->text(line), fault.at, {"text", line.number});
    add({warning, at.line, at.column, {}, fault.message});
  }
  void add(TextFault fault) { commands_.faults.push_back(std::move(fault)); }
  void add_end(const Error& error) { add({false, 0, 0, {}, error.text}); }

  std::string_view rest_;
  lang::Names names_;
  lang::Parser parser_;
  std::unique_ptr<lang::Source> source_;
  Commands commands_;
  bool ended_ = false;
};

}  // namespace

Result<Commands> read_commands(std::string_view text, Lookup lookup) noexcept {
  return guarded([&]() -> Result<Commands> { return CommandReader(text, lookup).read(); });
}

struct SaWriter::State {
  Format format;
  pfkey::JsonOptions json;
  lang::Saver saver;
  std::string header;
  SecretText text;
};

SaWriter::SaWriter(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
SaWriter::SaWriter(SaWriter&&) noexcept = default;
SaWriter& SaWriter::operator=(SaWriter&&) noexcept = default;
SaWriter::~SaWriter() = default;

Result<SaWriter> SaWriter::create(Format format, Keys keys, std::string_view sadb) noexcept {
  return guarded([&]() -> Result<SaWriter> {
    const bool hidden = keys == Keys::hidden;
    lang::Saver saver(lang::kCommandFormat, hidden);
    std::string header = format == Format::commands ? saver.header() : std::string();
    pfkey::JsonOptions json{.sadb = std::string(sadb), .paranoid = hidden, .now = {}};
    return SaWriter(
        std::unique_ptr<State>(new State{format, std::move(json), std::move(saver), std::move(header), SecretText()}));
  });
}

std::string_view SaWriter::header() const noexcept { return state_->header; }

Result<std::string_view> SaWriter::write(Message sa) noexcept {
  return guarded([&]() -> Result<std::string_view> {
    constexpr std::size_t kUsual = 1024;  // Bytes of one SA. A short text would be stored in the object itself.
    SecretText text;
    text.reserve(kUsual);
    if (state_->format == Format::json) {
      pfkey::json_sa(sa, state_->json, text);
    } else {
      state_->saver.write(std::move(sa), text);
    }
    state_->text = std::move(text);
    return std::string_view(state_->text);
  });
}

std::size_t SaWriter::left_out() const noexcept { return state_->saver.left_out(); }

}  // namespace ipseckey
