#include "cli/key_file.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string_view>

#include "base/text.h"
#include "lang/faults.h"
#include "pfkey/units.h"
#include "system/errno_text.h"

namespace ipseckey::cli {
namespace {

constexpr std::string_view kCredential = "cred:";

// A key can follow the @ by mistake.
std::string shown(const std::string& reference) {
  return lang::like_a_key(reference) ? "a file (name not shown: it may be part of a key)" : pfkey::escaped(reference);
}

Result<std::string> path_of(const std::string& reference, const KeyFolder& folder) {
  if (reference.starts_with(kCredential)) {
    const std::string name = reference.substr(kCredential.size());
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.'))
      return fail(Errc::invalid, "cred: needs the name of a credential, without a folder");
    if (folder.credentials.empty())
      return fail(
          Errc::not_found,
          "this process has no credentials: CREDENTIALS_DIRECTORY is not set (LoadCredential= in the unit sets it)");
    return fmt::format("{}/{}", folder.credentials, name);
  }
  if (reference == "-")
    return fail(
        Errc::invalid,
        "- does not mean standard input here: keys are read only from regular files (for a file named -, write @./-)");
  const auto slash = folder.commands.rfind('/');
  if (reference.starts_with('/') || slash == std::string::npos) return reference;
  return folder.commands.substr(0, slash + 1) + reference;
}

bool is_blank(std::byte b) { return b == std::byte{' '} || (b >= std::byte{'\t'} && b <= std::byte{'\r'}); }

}  // namespace

Result<lang::KeyText> read_key_file(const std::string& reference, const KeyFolder& folder) {
  constexpr std::size_t kLongest = 4096;
  const auto path = path_of(reference, folder);
  if (!path) return std::unexpected(path.error());
  auto file = InputFile::open(*path, folder.care, Pipes::none, shown(*path));
  if (!file) return std::unexpected(std::move(file.error()));

  lang::KeyText text;
  text.buffer.grow(kLongest);
  const MutableBytes all = text.buffer.bytes().first(kLongest);
  std::size_t filled = 0;
  auto end = all.begin();
  for (bool more = true; more && end == all.begin() + static_cast<std::ptrdiff_t>(filled);) {
    const auto got = file->read(all.subspan(filled));
    if (!got) return std::unexpected(got.error());
    more = *got != 0 && filled + *got < kLongest;
    filled += *got;
    end = std::ranges::find(all.first(filled), std::byte{'\n'});
  }
  if (filled == kLongest && end == all.end())
    return fail(Errc::invalid, fmt::format("the first line of {} is longer than any key", shown(*path)));
  auto begin = all.begin();
  const auto mark = std::as_bytes(std::span(text::kByteOrderMark));
  if (filled >= mark.size() && std::ranges::equal(all.first(mark.size()), mark))
    begin += static_cast<std::ptrdiff_t>(mark.size());
  while (begin != end && is_blank(*begin)) ++begin;
  while (begin != end && is_blank(*(end - 1))) --end;
  text.length = static_cast<std::size_t>(end - begin);
  if (text.length == 0) return fail(Errc::invalid, fmt::format("the first line of {} is empty", shown(*path)));
  std::memmove(all.data(), &*begin, text.length);
  for (const std::string& r : file->reservations()) text.reservation += (text.reservation.empty() ? "" : "; ") + r;
  if (!text.reservation.empty()) text.reservation = fmt::format("{}: {}", shown(*path), text.reservation);
  return text;
}

Result<void> kernel_random(MutableBytes out) {
  while (!out.empty()) {
    const ssize_t got = getrandom(out.data(), out.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(Errc::io, fmt::format("the kernel returned no random octets: {}", errno_text(errno)));
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

}  // namespace ipseckey::cli
