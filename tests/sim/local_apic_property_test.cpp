// LA 4, LA-I1 to LA-I4: random accept, acknowledge, EOI and TPR against the rules on plain sets of 256 flags.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <array>

#include "apic_rig.hpp"

namespace ticklab::sim::test {
namespace {

using Flags = std::array<bool, 256>;

int highest(const Flags& flags) {
    for (int v = 255; v >= 0; --v)
        if (flags[static_cast<std::size_t>(v)])
            return v;
    return -1;
}

struct PlainApic {
    Flags irr{}, isr{}, tmr{};
    int tpr = 0;
    bool enabled = true;

    int ppr() const {
        const int in_service = highest(isr) < 0 ? 0 : highest(isr);
        return tpr / 16 >= in_service / 16 ? tpr : in_service / 16 * 16;
    }
    bool deliverable() const { return enabled && highest(irr) >= 0 && highest(irr) / 16 > ppr() / 16; }
};

TEST_CASE("LA 4: random sequences agree with sets of 256 flags") {
    CHECK(rc::check([] {
        ApicRig rig;
        rig.enable_all(kBoot);
        PlainApic plain;
        const int operations = pick(1, 200);
        for (int i = 0; i < operations; ++i) {
            switch (pick(0, 8)) {
                case 0:
                case 1:
                case 2: {
                    // Few vectors, so that merging and equal classes are usual.
                    const auto vector = static_cast<std::uint8_t>(pick(8, 24) * 9);
                    const bool level = pick(0, 2) != 0;
                    rig.accept(0, kBoot, vector, level);
                    if (plain.enabled) {
                        plain.irr[vector] = true;
                        plain.tmr[vector] = level;
                    }
                    break;
                }
                case 3:
                case 4: {
                    const AcknowledgedInterrupt taken = rig.apics[0].acknowledge(kBoot);
                    RC_ASSERT(taken.spurious == !plain.deliverable());
                    if (taken.spurious)
                        break;
                    RC_ASSERT(int{taken.vector} == highest(plain.irr));
                    plain.irr[taken.vector] = false;
                    plain.isr[taken.vector] = true;
                    break;
                }
                case 5:
                    rig.eoi(0, kBoot);
                    if (highest(plain.isr) >= 0)
                        plain.isr[static_cast<std::size_t>(highest(plain.isr))] = false;
                    break;
                case 6:
                    plain.tpr = pick(0, 256);
                    rig.write(0, kBoot, apic::kTpr, static_cast<std::uint64_t>(plain.tpr));
                    break;
                case 7:
                    plain.enabled = pick(0, 4) != 0;
                    rig.write(0, kBoot, apic::kSvr, plain.enabled ? 0x1ff : 0xff);
                    break;
            }
            rig.check();
            RC_ASSERT(rig.apics[0].deliverable() == plain.deliverable());
            RC_ASSERT(int{rig.apics[0].ppr()} == plain.ppr());
            for (unsigned v = 0; v < 256; ++v) {
                const auto vector = static_cast<std::uint8_t>(v);
                RC_ASSERT(rig.apics[0].irr().test(vector) == plain.irr[v]);
                RC_ASSERT(rig.apics[0].isr().test(vector) == plain.isr[v]);
                RC_ASSERT(rig.apics[0].tmr().test(vector) == plain.tmr[v]);
            }
        }
    }));
}

}  // namespace
}  // namespace ticklab::sim::test
