// A comparison for machines: docs/compare.md says what stands where.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "ticklab/lab/compare/compare.hpp"

namespace ticklab::lab {

/// "metrics" and "vary": what was measured and varied.
nlohmann::ordered_json metrics_json(const Comparison& comparison);
nlohmann::ordered_json axes_json(std::span<const Axis> axes);
/// One entry of "variants", but for commands.
nlohmann::ordered_json variant_json(const Variant& variant, const VariantResult& result);

}  // namespace ticklab::lab
