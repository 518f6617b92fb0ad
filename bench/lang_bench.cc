/// The command language: a line to a command, and to the message that it stands for.
#include <benchmark/benchmark.h>

#include "lang/parse.h"
#include "lang/request.h"
#include "sample.h"

namespace ipseckey {

namespace {

/// No line here holds a name.
lang::Names no_names() {
  return {.hosts = [](const std::string&) -> Result<std::vector<Address>> { return fail(Errc::not_found, ""); },
          .protocol = [](const std::string&) { return std::nullopt; },
          .port = [](const std::string&) { return std::nullopt; }};
}

void parse_line(benchmark::State& state) {
  const lang::Names names = no_names();
  lang::Parser parser(names);
  const std::string line = bench::line();
  for (auto _ : state) {
    auto command = parser.parse(line, lang::Where::file);
    if (!command) return state.SkipWithError("the line is not accepted");
    benchmark::DoNotOptimize(command);
  }
}
BENCHMARK(parse_line);

void line_to_message(benchmark::State& state) {
  const lang::Names names = no_names();
  lang::Parser parser(names);
  const std::string line = bench::line();
  std::vector<pfkey::Message> messages;
  for (auto _ : state) {
    auto command = parser.parse(line, lang::Where::file);
    if (!command) return state.SkipWithError("the line is not accepted");
    messages.clear();
    lang::to_messages(*std::move(command), names, [](lang::Objection&&) {}, messages);
    benchmark::DoNotOptimize(messages.data());
  }
}
BENCHMARK(line_to_message);

}  // namespace

}  // namespace ipseckey
