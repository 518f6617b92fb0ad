#pragma once
/// What it means if ipsecd does not answer, or refuses to serve.
#include <chrono>
#include <cstdint>
#include <expected>
#include <string>

#include "base/result.h"

namespace ipseckey::backend {

/// For the errno of a refusal notice.
std::unexpected<Error> refused_by(const std::string& path, std::uint8_t error);
/// Nothing moved for that time.
std::unexpected<Error> silent(const std::string& path, std::chrono::milliseconds patience);

}  // namespace ipseckey::backend
