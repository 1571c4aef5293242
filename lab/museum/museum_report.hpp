// What a walk through the museum came to, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "ticklab/lab/museum/museum.hpp"

namespace ticklab::lab {

/// Changes of a kernel that no scenario shows, and the page that says why; empty if there is none.
struct NotShown {
    std::string kernel;
    std::vector<std::string> changes;
    std::string page;
};

/// Of the kernels that the exhibits are about, in the order of names.
std::vector<NotShown> not_shown(std::span<const Exhibit> exhibits);

/// A Markdown table with aligned columns, a row an exhibit.
std::string museum_table(const Museum& museum, const MuseumOptions& options);
nlohmann::ordered_json museum_json(const Museum& museum);

}  // namespace ticklab::lab
