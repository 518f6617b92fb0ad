#pragma once
/// Shared by targets that load a file into an engine: the engine's SAs must survive being written and loaded again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/instant.h"
#include "base/result.h"
#include "base/secret_text.h"
#include "engine/engine.h"
#include "must.h"

namespace ipseckey {

/// For every load.
inline Instant now() {
  return {std::chrono::seconds(5000), std::chrono::sys_seconds(std::chrono::seconds(1'700'000'000))};
}

inline engine::Engine engine_for_files() {
  engine::Options options;
  options.random = [n = std::uint32_t{0}]() mutable { return n += 0x9e3779b9; };
  return engine::Engine(std::move(options));
}

/// Reads a file, at most `piece` bytes at a time. The caller owns the file, which outlives the results.
inline auto in_pieces(Bytes& file, std::size_t piece) {
  return [&file, piece](MutableBytes out) -> Result<std::size_t> {
    const std::size_t n = std::min({piece, out.size(), file.size()});
    std::ranges::copy(file.first(n), out.begin());
    file = file.subspan(n);
    return n;
  };
}

/// Calls write(sa, out) for each SA, after the initial text in `out`.
template <class Write>
std::string written(engine::Engine& engine, std::string_view head, Write write) {
  pfkey::Message request;
  request.type = pfkey::Type::dump, request.seq = 1, request.pid = 1;
  SecretText out(head);
  const auto walk = engine.dump(request, now(), [](engine::Audience, pfkey::Message&&) {});
  MUST(walk);
  while (auto sa = engine.next(*walk)) write(std::move(*sa), out);
  return std::string(out);
}

/// Loads the file of an input, writes the engine's SAs with `text_of`, and loads that. A Loader has load() and
/// refused(), the commands that an engine or the language refused.
template <class Loader, class TextOf>
int load_twice(const std::uint8_t* data, std::size_t size, TextOf text_of) {
  if (size == 0) return 0;
  engine::Engine first = engine_for_files();
  Loader(first).load(std::as_bytes(std::span(data + 1, size - 1)), data[0] + 1u);

  const std::string file = text_of(first);
  engine::Engine second = engine_for_files();
  Loader reload(second);
  reload.load(std::as_bytes(std::span(file)), 4096);
  MUST(reload.refused() == 0);
  MUST(second.size() == first.size());
  MUST(text_of(second) == file);
  return 0;
}

}  // namespace ipseckey
