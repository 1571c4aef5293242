namespace ticklab { extern const int kTmpXen; const int kTmpXen = 0; }
