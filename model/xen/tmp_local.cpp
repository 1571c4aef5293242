namespace ticklab::xen {
int tmp_local();
int tmp_local() { return 0; }
}  // namespace ticklab::xen
