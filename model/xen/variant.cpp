#include "ticklab/model/xen/variant.hpp"

#include <algorithm>

namespace ticklab::xen {
namespace {

constexpr std::array<const VariantPolicy*, kVariantNames.size()> kVariants{&kVariantV0, &kVariantVR, &kVariantV1,
                                                                           &kVariantV2, &kVariantV3, &kVariantV4};

/// First release of the eras with one deadline: ranges went in August 2010, between 4.0 and it.
constexpr std::string_view kFirstWithoutRanges = "4.1";

bool is_before(std::string_view version, std::string_view other) {
    return std::find(kXenVersions.begin(), kXenVersions.end(), version) <
           std::find(kXenVersions.begin(), kXenVersions.end(), other);
}

}  // namespace

const VariantPolicy* find_variant(std::string_view name) {
    const auto at = std::find_if(kVariants.begin(), kVariants.end(), [name](const auto* v) { return v->name == name; });
    return at == kVariants.end() ? nullptr : *at;
}

const VariantPolicy& variant_of(std::string_view version, const XenChanges& changes) {
    if (!changes.never_early)
        return kVariantV0;
    if (is_before(version, kFirstWithoutRanges))
        return changes.run_from_range_start ? kVariantV2 : kVariantV1;
    return changes.deadline_in_time ? kVariantV4 : kVariantV3;
}

}  // namespace ticklab::xen
