#include "ticklab/sim/change_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace ticklab::sim {
namespace {

std::size_t index_of_version(std::span<const std::string_view> versions, std::string_view version) {
    const auto at = std::find(versions.begin(), versions.end(), version);
    if (at == versions.end())
        throw std::invalid_argument(
            fmt::format("version \"{}\" is none of \"{}\" to \"{}\"", version, versions.front(), versions.back()));
    return static_cast<std::size_t>(at - versions.begin());
}

std::size_t index_of_change(std::span<const ChangeDecl> changes, std::string_view id) {
    const auto at = std::find_if(changes.begin(), changes.end(), [id](const ChangeDecl& c) { return c.id == id; });
    if (at == changes.end())
        throw std::invalid_argument(fmt::format("\"{}\" is no change of this kernel", id));
    return static_cast<std::size_t>(at - changes.begin());
}

}  // namespace

std::string ChangeClash::expected() const {
    return lacks ? fmt::format("\"{}\", which it requires, in force too", other)
                 : fmt::format("it without \"{}\", with which it conflicts", other);
}

ChangesInForce changes_in_force(std::span<const ChangeDecl> changes, std::span<const std::string_view> versions,
                                const KernelDecl::Settings& settings) {
    const std::size_t version =
        settings.version.empty() ? versions.size() - 1 : index_of_version(versions, settings.version);
    ChangesInForce result{std::vector<bool>(changes.size()), std::nullopt};
    std::vector<bool>& in_force = result.flags;
    for (std::size_t i = 0; i < changes.size(); ++i)
        in_force[i] = !changes[i].since.empty() && index_of_version(versions, changes[i].since) <= version;
    for (const std::string& id : settings.without)
        in_force[index_of_change(changes, id)] = false;
    std::vector<bool> asked_for(changes.size());
    for (const std::string& id : settings.with)
        in_force[index_of_change(changes, id)] = asked_for[index_of_change(changes, id)] = true;

    // What requires something that was dropped is dropped too, until nothing more falls.
    for (bool dropped = true; dropped;) {
        dropped = false;
        for (std::size_t i = 0; i < changes.size(); ++i)
            for (const std::string_view needed : changes[i].requires_ids)
                if (in_force[i] && !in_force[index_of_change(changes, needed)]) {
                    if (asked_for[i] && !result.clash)
                        result.clash = ChangeClash{changes[i].id, needed, true};
                    in_force[i] = false;
                    dropped = true;
                }
    }
    for (std::size_t i = 0; i < changes.size(); ++i)
        for (const std::string_view other : changes[i].conflicts)
            if (in_force[i] && in_force[index_of_change(changes, other)] && !result.clash)
                result.clash = ChangeClash{changes[i].id, other, false};
    return result;
}

}  // namespace ticklab::sim
