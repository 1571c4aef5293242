namespace ticklab { extern const int kTmpLab; const int kTmpLab = 0; }
