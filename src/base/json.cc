#include "base/json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace ipseckey {

using Json = nlohmann::ordered_json;

// Not in the header, because sources that include the library take several times as long to compile.
struct JsonObject::Members {
  Json object = Json::object();

  void put(std::string_view name, Json value) { object[std::string(name)] = std::move(value); }
};

JsonObject::JsonObject() : members_(std::make_unique<Members>()) {}
JsonObject::JsonObject(JsonObject&& other) noexcept = default;
JsonObject& JsonObject::operator=(JsonObject&& other) noexcept = default;
JsonObject::~JsonObject() = default;

void JsonObject::put(std::string_view name, std::string_view text) { members_->put(name, text); }
void JsonObject::put(std::string_view name, bool value) { members_->put(name, value); }
void JsonObject::put(std::string_view name, const std::vector<std::string>& texts) { members_->put(name, texts); }
void JsonObject::put(std::string_view name, JsonObject object) {
  members_->put(name, std::move(object.members_->object));
}
void JsonObject::put(std::string_view name, std::vector<JsonObject> objects) {
  Json array = Json::array();
  for (JsonObject& object : objects) array.push_back(std::move(object.members_->object));
  members_->put(name, std::move(array));
}
void JsonObject::put_number(std::string_view name, std::uint64_t number) { members_->put(name, number); }

std::string JsonObject::line() const {
  return members_->object.dump(-1, ' ', true, Json::error_handler_t::replace) + '\n';
}

}  // namespace ipseckey
