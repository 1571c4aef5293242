// What a hunt has come to, as a JSON document: printed, kept in a file, gone on with, joined from shards.
//
// Rules
//  - Members that tell one hunt from another come first, then what was found. Format 1.
//  - Joining is deterministic: the same shards give the same bytes in whatever order they are given.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ticklab/lab/hunt/hunt.hpp"

namespace ticklab::lab {

using HuntJson = nlohmann::ordered_json;

inline constexpr int kHuntFormat = 1;

/// The words of --strategy, in the order of HuntStrategy.
inline constexpr std::array<std::string_view, 5> kHuntStrategies{"random", "seeds", "pct", "delay", "exhaustive"};
/// How a hunt ended, in the order of HuntEnd.
inline constexpr std::array<std::string_view, 4> kHuntEnds{"all runs", "enough failures", "budget", "interrupted"};

/// The head of a document: what makes this hunt.
HuntJson hunt_head(const Scenario& scenario, const HuntOptions& options, const std::vector<std::string>& overrides);
/// The whole of it. `failures` are those of before and of now.
HuntJson hunt_document(const HuntJson& head, const HuntResult& result, double seconds, const HuntJson& failures);
/// `bundle` is the file that keeps the failure; empty if none does.
HuntJson hunt_failure(const HuntFailure& failure, const std::string& replay, const std::string& bundle);

/// A document that was read, or what is wrong with it.
struct HuntFile {
    std::string name;
    HuntJson document;
    HuntResult result;
    std::string problem;  ///< empty if nothing
};
HuntFile read_hunt_file(const std::string& name);

/// A member of a document, null if it has none.
HuntJson hunt_member(const HuntJson& document, const std::string& key);

/// The first member in which two hunts differ, so that one cannot go on with the other or be joined to it; empty if
/// there is none. Shards of one hunt differ in nothing but `"shard"`.
std::string hunt_difference(const HuntJson& a, const HuntJson& b, bool shards);

/// All shards of a hunt as one document, as if it had been one hunt; or what is wrong, naming the files.
HuntFile merge_hunts(std::vector<HuntFile> shards);

}  // namespace ticklab::lab
