// How commands print a JSON document.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace ticklab::lab {

/// Indented, with a line end; what is no UTF-8 in a name is replaced.
template <class Json>
std::string document_text(const Json& document) {
    return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ticklab::lab
