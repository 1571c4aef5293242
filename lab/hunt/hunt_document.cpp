#include "ticklab/lab/hunt/hunt_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "ticklab/lab/input_error.hpp"
#include "ticklab/lab/report.hpp"

namespace ticklab::lab {
namespace {

using Json = HuntJson;

constexpr std::string_view kShard = "shard";
constexpr std::array<std::string_view, 12> kHeadMembers{"format",    "format_version", "version",       "scenario",
                                                        "set",       "strategy",       "depth",         "first_seed",
                                                        "last_seed", "expectations",   "scenario_hash", kShard};
/// In the head of a hunt that swarms: what it varies.
constexpr const char* kSwarm = "swarm";
constexpr const char* kPromising = "promising";
constexpr const char* kBundle = "bundle";
constexpr const char* kDrawn = "drawn";
constexpr std::string_view kFormat = "ticklab hunt";
constexpr std::string_view kExpectedFile = "a result that ticklab hunt has written";

std::string shard_text(std::uint64_t index, std::uint64_t count) { return fmt::format("{}/{}", index + 1, count); }

/// Throws if an entry of "failures" is not as hunt_failure() makes it.
void check_failure(const Json& failure) {
    for (const char* const number : {"run", "seed", "record_number"})
        (void)failure.at(number).get<std::uint64_t>();
    for (const char* const text : {"check", "message", "replay"})
        (void)failure.at(text).get<std::string>();
    (void)failure.at("at_ns").get<std::int64_t>();
    if (!failure.at("cpu").is_null())
        (void)failure.at("cpu").get<sim::CpuId>();
    if (failure.contains(kBundle))
        (void)failure.at(kBundle).get<std::string>();
    if (failure.contains(kDrawn))
        (void)failure.at(kDrawn).get<std::vector<std::string>>();
}

HuntResult result_of(const Json& document) {
    HuntResult result;
    const std::string end = document.at("end").get<std::string>();
    const auto at = std::find(kHuntEnds.begin(), kHuntEnds.end(), end);
    if (at == kHuntEnds.end())
        throw std::invalid_argument(fmt::format("\"end\" is {}", in_quotes(end)));
    result.end = static_cast<HuntEnd>(at - kHuntEnds.begin());
    result.runs = document.at("runs").get<std::uint64_t>();
    result.total = document.at("total").get<std::uint64_t>();
    result.total_exact = document.at("total_exact").get<bool>();
    if (result.total_exact && result.runs > result.total)
        throw std::invalid_argument(fmt::format("\"runs\" is {} of {}", result.runs, result.total));
    result.failures = document.at("failed").get<std::uint64_t>();
    result.inconclusive = document.at("inconclusive").get<std::uint64_t>();
    result.records = document.at("records").get<std::uint64_t>();
    if (document.contains(kPromising))
        result.promising = PromisingStalls{document.at(kPromising).at("total").get<std::uint64_t>(),
                                           document.at(kPromising).at("tried").get<std::uint64_t>()};
    (void)document.at("wall_seconds").get<double>();
    if (document.at("failures").size() != result.failures)
        throw std::invalid_argument(fmt::format("\"failed\" is {} and \"failures\" has {} entries", result.failures,
                                                document.at("failures").size()));
    for (const Json& failure : document.at("failures"))
        check_failure(failure);
    return result;
}

}  // namespace

Json hunt_head(const Scenario& scenario, const HuntOptions& options, const std::vector<std::string>& overrides) {
    Json head{{"format", kFormat},
              {"format_version", kHuntFormat},
              {"version", TICKLAB_VERSION},
              {"scenario", scenario.name},
              {"scenario_hash", scenario_hash(scenario.text)},
              {"set", overrides},
              {"strategy", kHuntStrategies[static_cast<std::size_t>(options.strategy)]},
              {"depth", options.depth},
              {"first_seed", options.first_seed},
              {"last_seed", options.last_seed},
              {"expectations", options.count_expectations},
              {kShard, {{"index", options.shard.index + 1}, {"count", options.shard.count}}}};
    if (options.swarm)
        head[kSwarm] = options.swarm->text();
    return head;
}

Json hunt_document(const Json& head, const HuntResult& result, double seconds, const Json& failures) {
    Json document = head;
    document["end"] = kHuntEnds[static_cast<std::size_t>(result.end)];
    document["runs"] = result.runs;
    document["total"] = result.total;
    document["total_exact"] = result.total_exact;
    document["failed"] = result.failures;
    document["inconclusive"] = result.inconclusive;
    document["records"] = result.records;
    if (result.promising)
        document[kPromising] = {{"total", result.promising->total}, {"tried", result.promising->tried}};
    document["wall_seconds"] = seconds;
    document["failures"] = failures;
    return document;
}

Json hunt_failure(const HuntFailure& f, const std::string& replay, const std::string& bundle) {
    Json failure{{"run", f.run},
                 {"seed", f.seed},
                 {"check", f.check},
                 {"message", f.message},
                 {"at_ns", sim::ns_floor(f.at)},
                 {"cpu", f.cpu == sim::kNoCpu ? Json(nullptr) : Json(f.cpu)},
                 {"record_number", f.record_number},
                 {"replay", replay}};
    if (!f.drawn.empty())
        failure[kDrawn] = f.drawn;
    if (!bundle.empty())
        failure[kBundle] = bundle;
    return failure;
}

HuntFile read_hunt_file(const std::string& name) {
    HuntFile file{name, {}, {}, {}};
    std::ifstream in(name, std::ios::binary);
    if (!in) {
        file.problem = found_expected("no readable file", kExpectedFile);
        return file;
    }
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    try {
        file.document = Json::parse(text);
        for (const std::string_view member : kHeadMembers)
            (void)file.document.at(std::string(member));
        if (file.document.contains(kSwarm))
            (void)file.document.at(kSwarm).get<std::string>();
        if (file.document.at("format") != kFormat)
            throw std::invalid_argument(fmt::format("\"format\" {}", file.document.at("format").dump()));
        if (file.document.at("format_version") != kHuntFormat) {
            file.problem = found_expected(fmt::format("format {}", file.document.at("format_version").dump()),
                                          fmt::format("format {}", kHuntFormat));
            return file;
        }
        const Json& shard = file.document.at(kShard);
        const auto index = shard.at("index").get<std::uint64_t>(), count = shard.at("count").get<std::uint64_t>();
        if (index == 0 || index > count)
            throw std::invalid_argument(fmt::format("shard {}/{}", index, count));
        file.result = result_of(file.document);
    } catch (const nlohmann::json::exception& e) {
        file.problem = found_expected(e.what(), kExpectedFile);
    } catch (const std::invalid_argument& e) {
        file.problem = found_expected(e.what(), kExpectedFile);
    }
    return file;
}

Json hunt_member(const Json& document, const std::string& key) {
    return document.contains(key) ? document[key] : Json(nullptr);
}

std::string hunt_difference(const Json& a, const Json& b, bool shards) {
    if (hunt_member(a, kSwarm) != hunt_member(b, kSwarm))
        return kSwarm;
    for (const std::string_view member : kHeadMembers) {
        std::string key(member);
        if (member == kShard && shards ? a[key]["count"] != b[key]["count"] : a[key] != b[key])
            return key;
    }
    return {};
}

HuntFile merge_hunts(std::vector<HuntFile> shards) {
    const auto index_of = [](const HuntFile& f) { return f.document[kShard]["index"].get<std::uint64_t>(); };
    std::sort(shards.begin(), shards.end(), [&](const HuntFile& a, const HuntFile& b) {
        return index_of(a) != index_of(b) ? index_of(a) < index_of(b) : a.name < b.name;
    });
    HuntFile whole = shards.front();
    const auto count = whole.document[kShard]["count"].get<std::uint64_t>();
    double seconds = 0;
    Json failures = Json::array();
    whole.result = {};
    for (std::size_t i = 0; i < shards.size(); ++i) {
        const HuntFile& shard = shards[i];
        if (const std::string member = hunt_difference(shards.front().document, shard.document, true); !member.empty())
            whole.problem =
                fmt::format("{} and {} are not of one hunt: \"{}\" differs", shards.front().name, shard.name, member);
        else if (i != 0 && index_of(shards[i - 1]) == index_of(shard))
            whole.problem = fmt::format("{} and {} are both shard {}", shards[i - 1].name, shard.name,
                                        shard_text(index_of(shard) - 1, count));
        if (!whole.problem.empty())
            return whole;
        whole.result.end = std::max(whole.result.end, shard.result.end);
        whole.result.runs += shard.result.runs;
        whole.result.total = whole.result.total + std::min(shard.result.total, UINT64_MAX - whole.result.total);
        whole.result.total_exact = whole.result.total_exact && shard.result.total_exact;
        whole.result.failures += shard.result.failures;
        whole.result.inconclusive += shard.result.inconclusive;
        whole.result.records += shard.result.records;
        if (shard.result.promising) {
            PromisingStalls& promising =
                whole.result.promising ? *whole.result.promising : whole.result.promising.emplace();
            promising.total += shard.result.promising->total;
            promising.tried += shard.result.promising->tried;
        }
        seconds += shard.document["wall_seconds"].get<double>();
        for (const Json& failure : shard.document["failures"])
            failures.push_back(failure);
    }
    std::vector<std::string> missing;
    for (std::uint64_t index = 1, i = 0; index <= count && missing.size() < kMaxInputErrors; ++index)
        if (i < shards.size() && index_of(shards[i]) == index)
            ++i;
        else
            missing.push_back(shard_text(index - 1, count));
    if (!missing.empty()) {
        whole.problem = fmt::format("{} of {} shards are there; missing: {}{}", shards.size(), count,
                                    fmt::join(missing, ", "), missing.size() == kMaxInputErrors ? ", ..." : "");
        return whole;
    }
    std::stable_sort(failures.begin(), failures.end(), [](const Json& a, const Json& b) {
        return a["run"].get<std::uint64_t>() < b["run"].get<std::uint64_t>();
    });
    whole.document[kShard] = {{"index", 1}, {"count", 1}};
    whole.document = hunt_document(whole.document, whole.result, seconds, failures);
    whole.name.clear();
    return whole;
}

}  // namespace ticklab::lab
