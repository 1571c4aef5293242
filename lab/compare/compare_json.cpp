#include "ticklab/lab/compare/compare_json.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace ticklab::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 5> kUnits{"count", "cycles", "picoseconds", "parts_per_million", "nanojoule"};
constexpr std::array<std::string_view, 3> kBetter{"less", "more", "neither"};

Json figures_json(const VariantResult& result) {
    Json figures = Json::object();
    for (std::size_t m = 0; m < metrics().size(); ++m)
        if (const std::optional<Summary>& s = result.figures[m])
            figures[std::string(metrics()[m].key)] = {
                {"median", s->median}, {"least", s->least}, {"greatest", s->greatest}, {"best", s->best}};
    return figures;
}

}  // namespace

Json metrics_json(const Comparison& comparison) {
    Json list = Json::array();
    for (std::size_t m = 0; m < metrics().size(); ++m)
        if (std::any_of(comparison.variants.begin(), comparison.variants.end(),
                        [m](const VariantResult& v) { return v.figures[m].has_value(); })) {
            const Metric& metric = metrics()[m];
            list.push_back({{"key", metric.key},
                            {"title", metric.title},
                            {"unit", kUnits[static_cast<std::size_t>(metric.unit)]},
                            {"better", kBetter[static_cast<std::size_t>(metric.better)]},
                            {"help", metric.help}});
        }
    return list;
}

Json axes_json(std::span<const Axis> axes) {
    Json list = Json::array();
    for (const Axis& axis : axes)
        list.push_back({{"path", axis.path}, {"values", axis.values}});
    return list;
}

Json variant_json(const Variant& variant, const VariantResult& result) {
    Json failures = Json::array();
    for (const CheckFailure& f : result.failures)
        failures.push_back({{"check", f.check},
                            {"expected", f.expected},
                            {"runs", f.runs},
                            {"first_seed", f.first_seed},
                            {"message", f.message}});
    return {{"values", variant.values},
            {"runs", result.runs},
            {"measured", result.measured},
            {"failed", result.failed()},
            {"inconclusive", result.inconclusive},
            {"failures", std::move(failures)},
            {"figures", figures_json(result)}};
}

}  // namespace ticklab::lab
