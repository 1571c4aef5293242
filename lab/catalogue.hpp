// Everything that is declared, as lists: for `ticklab list` and for the reference.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "ticklab/lab/registry.hpp"

namespace ticklab::lab {

struct CatalogueList {
    std::string_view name;  ///< "verbs"
    std::string_view help;
    /// An array of objects. The text form shows `columns` of each, and below it what "parameters" holds.
    nlohmann::ordered_json (*rows)(const Registry& registry);
    std::span<const std::string_view> columns;
};

std::span<const CatalogueList> catalogue();

/// Null if there is no list of that name.
const CatalogueList* find_list(std::string_view name);

/// A parameter's type in words: "an integer from 1 to 16", "a duration".
std::string type_text(const sim::ParameterDecl& parameter);

}  // namespace ticklab::lab
