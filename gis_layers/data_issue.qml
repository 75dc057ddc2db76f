<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis simplifyDrawingTol="1" labelsEnabled="0" simplifyLocal="1" simplifyDrawingHints="1" simplifyAlgorithm="0" simplifyMaxScale="1" symbologyReferenceScale="-1" minScale="100000000" version="3.22.16-Białowieża" styleCategories="LayerConfiguration|Symbology|Labeling|Fields|Forms|MapTips|AttributeTable|Rendering" hasScaleBasedVisibilityFlag="0" maxScale="0" readOnly="1">
  <flags>
    <Identifiable>1</Identifiable>
    <Removable>1</Removable>
    <Searchable>1</Searchable>
    <Private>0</Private>
  </flags>
  <renderer-v2 type="categorizedSymbol" referencescale="-1" enableorderby="0" attr="severity" forceraster="0" symbollevels="0">
    <categories>
      <category symbol="0" value="error" render="true" label="错误"/>
      <category symbol="1" value="warning" render="true" label="警告"/>
      <category symbol="2" value="notice" render="true" label="提示"/>
    </categories>
    <symbols>
      <symbol type="fill" force_rhr="0" clip_to_extent="1" alpha="1" name="0">
        <data_defined_properties>
          <Option type="Map">
            <Option type="QString" name="name" value=""/>
            <Option name="properties"/>
            <Option type="QString" name="type" value="collection"/>
          </Option>
        </data_defined_properties>
        <layer class="SimpleFill" enabled="1" locked="0" pass="0">
          <Option type="Map">
            <Option type="QString" name="border_width_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="color" value="216,53,42,64"/>
            <Option type="QString" name="joinstyle" value="miter"/>
            <Option type="QString" name="offset" value="0,0"/>
            <Option type="QString" name="offset_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="offset_unit" value="MM"/>
            <Option type="QString" name="outline_color" value="144,35,28,255"/>
            <Option type="QString" name="outline_style" value="solid"/>
            <Option type="QString" name="outline_width" value="0.6"/>
            <Option type="QString" name="outline_width_unit" value="MM"/>
            <Option type="QString" name="style" value="solid"/>
          </Option>
          <prop k="border_width_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="color" v="216,53,42,64"/>
          <prop k="joinstyle" v="miter"/>
          <prop k="offset" v="0,0"/>
          <prop k="offset_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="offset_unit" v="MM"/>
          <prop k="outline_color" v="144,35,28,255"/>
          <prop k="outline_style" v="solid"/>
          <prop k="outline_width" v="0.6"/>
          <prop k="outline_width_unit" v="MM"/>
          <prop k="style" v="solid"/>
          <data_defined_properties>
            <Option type="Map">
              <Option type="QString" name="name" value=""/>
              <Option name="properties"/>
              <Option type="QString" name="type" value="collection"/>
            </Option>
          </data_defined_properties>
        </layer>
      </symbol>
      <symbol type="fill" force_rhr="0" clip_to_extent="1" alpha="1" name="1">
        <data_defined_properties>
          <Option type="Map">
            <Option type="QString" name="name" value=""/>
            <Option name="properties"/>
            <Option type="QString" name="type" value="collection"/>
          </Option>
        </data_defined_properties>
        <layer class="SimpleFill" enabled="1" locked="0" pass="0">
          <Option type="Map">
            <Option type="QString" name="border_width_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="color" value="242,159,61,64"/>
            <Option type="QString" name="joinstyle" value="miter"/>
            <Option type="QString" name="offset" value="0,0"/>
            <Option type="QString" name="offset_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="offset_unit" value="MM"/>
            <Option type="QString" name="outline_color" value="161,106,41,255"/>
            <Option type="QString" name="outline_style" value="solid"/>
            <Option type="QString" name="outline_width" value="0.6"/>
            <Option type="QString" name="outline_width_unit" value="MM"/>
            <Option type="QString" name="style" value="solid"/>
          </Option>
          <prop k="border_width_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="color" v="242,159,61,64"/>
          <prop k="joinstyle" v="miter"/>
          <prop k="offset" v="0,0"/>
          <prop k="offset_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="offset_unit" v="MM"/>
          <prop k="outline_color" v="161,106,41,255"/>
          <prop k="outline_style" v="solid"/>
          <prop k="outline_width" v="0.6"/>
          <prop k="outline_width_unit" v="MM"/>
          <prop k="style" v="solid"/>
          <data_defined_properties>
            <Option type="Map">
              <Option type="QString" name="name" value=""/>
              <Option name="properties"/>
              <Option type="QString" name="type" value="collection"/>
            </Option>
          </data_defined_properties>
        </layer>
      </symbol>
      <symbol type="fill" force_rhr="0" clip_to_extent="1" alpha="1" name="2">
        <data_defined_properties>
          <Option type="Map">
            <Option type="QString" name="name" value=""/>
            <Option name="properties"/>
            <Option type="QString" name="type" value="collection"/>
          </Option>
        </data_defined_properties>
        <layer class="SimpleFill" enabled="1" locked="0" pass="0">
          <Option type="Map">
            <Option type="QString" name="border_width_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="color" value="90,155,212,64"/>
            <Option type="QString" name="joinstyle" value="miter"/>
            <Option type="QString" name="offset" value="0,0"/>
            <Option type="QString" name="offset_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="offset_unit" value="MM"/>
            <Option type="QString" name="outline_color" value="60,103,141,255"/>
            <Option type="QString" name="outline_style" value="solid"/>
            <Option type="QString" name="outline_width" value="0.6"/>
            <Option type="QString" name="outline_width_unit" value="MM"/>
            <Option type="QString" name="style" value="solid"/>
          </Option>
          <prop k="border_width_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="color" v="90,155,212,64"/>
          <prop k="joinstyle" v="miter"/>
          <prop k="offset" v="0,0"/>
          <prop k="offset_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="offset_unit" v="MM"/>
          <prop k="outline_color" v="60,103,141,255"/>
          <prop k="outline_style" v="solid"/>
          <prop k="outline_width" v="0.6"/>
          <prop k="outline_width_unit" v="MM"/>
          <prop k="style" v="solid"/>
          <data_defined_properties>
            <Option type="Map">
              <Option type="QString" name="name" value=""/>
              <Option name="properties"/>
              <Option type="QString" name="type" value="collection"/>
            </Option>
          </data_defined_properties>
        </layer>
      </symbol>
    </symbols>
    <rotation/>
    <sizescale/>
  </renderer-v2>
  <blendMode>0</blendMode>
  <featureBlendMode>0</featureBlendMode>
  <layerOpacity>1</layerOpacity>
  <fieldConfiguration>
    <field name="fid" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="issue_key" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="rule" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="severity" configurationFlags="None">
      <editWidget type="ValueMap">
        <config>
          <Option type="Map">
            <Option type="List" name="map">
              <Option type="Map">
                <Option type="QString" name="错误" value="error"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="警告" value="warning"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="提示" value="notice"/>
              </Option>
            </Option>
          </Option>
        </config>
      </editWidget>
    </field>
    <field name="feed" configurationFlags="None">
      <editWidget type="ValueMap">
        <config>
          <Option type="Map">
            <Option type="List" name="map">
              <Option type="Map">
                <Option type="QString" name="地类图斑" value="patch"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="宗地" value="parcel"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="土地权利" value="right"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="租赁合同" value="lease"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="企业名录" value="enterprise"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="用地和建筑范围" value="footprint"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="企业指标" value="indicator"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="企业认定" value="recognition"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="用电户号" value="account"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="评价结果" value="score"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="往年关联结果" value="past_link"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="用地事项" value="land_event"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="人才入选" value="talent"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="电表" value="meter"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="差别化政策执行情况" value="policy_return"/>
              </Option>
              <Option type="Map">
                <Option type="QString" name="镇街和开发区" value="area"/>
              </Option>
            </Option>
          </Option>
        </config>
      </editWidget>
    </field>
    <field name="subject_key" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="file" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="row_number" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="field" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="message" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="next_step" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="size_m2" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="township_code" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
  </fieldConfiguration>
  <aliases>
    <alias name="序号" field="fid" index="0"/>
    <alias name="问题编号" field="issue_key" index="1"/>
    <alias name="规则" field="rule" index="2"/>
    <alias name="严重程度" field="severity" index="3"/>
    <alias name="数据类别" field="feed" index="4"/>
    <alias name="对象代码" field="subject_key" index="5"/>
    <alias name="文件" field="file" index="6"/>
    <alias name="行号" field="row_number" index="7"/>
    <alias name="字段" field="field" index="8"/>
    <alias name="问题说明" field="message" index="9"/>
    <alias name="下一步" field="next_step" index="10"/>
    <alias name="涉及面积（平方米）" field="size_m2" index="11"/>
    <alias name="镇街代码" field="township_code" index="12"/>
  </aliases>
  <defaults>
    <default expression="" field="fid" applyOnUpdate="0"/>
    <default expression="" field="issue_key" applyOnUpdate="0"/>
    <default expression="" field="rule" applyOnUpdate="0"/>
    <default expression="" field="severity" applyOnUpdate="0"/>
    <default expression="" field="feed" applyOnUpdate="0"/>
    <default expression="" field="subject_key" applyOnUpdate="0"/>
    <default expression="" field="file" applyOnUpdate="0"/>
    <default expression="" field="row_number" applyOnUpdate="0"/>
    <default expression="" field="field" applyOnUpdate="0"/>
    <default expression="" field="message" applyOnUpdate="0"/>
    <default expression="" field="next_step" applyOnUpdate="0"/>
    <default expression="" field="size_m2" applyOnUpdate="0"/>
    <default expression="" field="township_code" applyOnUpdate="0"/>
  </defaults>
  <constraints>
    <constraint unique_strength="0" exp_strength="0" field="fid" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="issue_key" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="rule" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="severity" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="feed" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="subject_key" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="file" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="row_number" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="field" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="message" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="next_step" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="size_m2" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="township_code" notnull_strength="0" constraints="0"/>
  </constraints>
  <constraintExpressions>
    <constraint desc="" field="fid" exp=""/>
    <constraint desc="" field="issue_key" exp=""/>
    <constraint desc="" field="rule" exp=""/>
    <constraint desc="" field="severity" exp=""/>
    <constraint desc="" field="feed" exp=""/>
    <constraint desc="" field="subject_key" exp=""/>
    <constraint desc="" field="file" exp=""/>
    <constraint desc="" field="row_number" exp=""/>
    <constraint desc="" field="field" exp=""/>
    <constraint desc="" field="message" exp=""/>
    <constraint desc="" field="next_step" exp=""/>
    <constraint desc="" field="size_m2" exp=""/>
    <constraint desc="" field="township_code" exp=""/>
  </constraintExpressions>
  <expressionfields/>
  <attributetableconfig sortOrder="0" sortExpression="" actionWidgetStyle="dropDown">
    <columns/>
  </attributetableconfig>
  <conditionalstyles>
    <rowstyles/>
    <fieldstyles/>
  </conditionalstyles>
  <storedexpressions/>
  <editform tolerant="1"></editform>
  <editforminit/>
  <editforminitcodesource>0</editforminitcodesource>
  <editforminitfilepath></editforminitfilepath>
  <editforminitcode><![CDATA[]]></editforminitcode>
  <featformsuppress>0</featformsuppress>
  <editorlayout>generatedlayout</editorlayout>
  <editable/>
  <labelOnTop/>
  <reuseLastValue/>
  <dataDefinedFieldProperties/>
  <widgets/>
  <previewExpression>"message"</previewExpression>
  <mapTip>&lt;b>[% @layer_name %]&lt;/b>&lt;table>&lt;tr>&lt;td>问题编号&lt;/td>&lt;td>[% represent_value("issue_key") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>规则&lt;/td>&lt;td>[% represent_value("rule") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>严重程度&lt;/td>&lt;td>[% represent_value("severity") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>数据类别&lt;/td>&lt;td>[% represent_value("feed") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>对象代码&lt;/td>&lt;td>[% represent_value("subject_key") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>文件&lt;/td>&lt;td>[% represent_value("file") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>行号&lt;/td>&lt;td>[% represent_value("row_number") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>字段&lt;/td>&lt;td>[% represent_value("field") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>问题说明&lt;/td>&lt;td>[% represent_value("message") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>下一步&lt;/td>&lt;td>[% represent_value("next_step") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>涉及面积（平方米）&lt;/td>&lt;td>[% represent_value("size_m2") %]&lt;/td>&lt;/tr>&lt;tr>&lt;td>镇街代码&lt;/td>&lt;td>[% represent_value("township_code") %]&lt;/td>&lt;/tr>&lt;/table></mapTip>
  <layerGeometryType>2</layerGeometryType>
</qgis>
